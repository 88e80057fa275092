//! Several messages on one connection (RFC 5321 section 3.3): the caller is asked for the next one where its commands may
//! go with the end of the one before, or where that one is over.

use super::data;
use super::session::{Series, Session, State};
use super::transaction::{self, Before};
use crate::envelope::Envelope;
use crate::message::Facts;

impl Session {
    /// Other messages may follow: [`Action::NextMessage`](super::action::Action::NextMessage) asks for them. Those that
    /// are refused without an effect on the connection do not end the session.
    pub fn expect_more(&mut self) {
        self.core.series = Series::Open;
    }

    /// The next message. Its recipients are numbered behind all others.
    pub fn next_message(&mut self, envelope: Envelope, facts: Facts) {
        self.step(|state, core| match state {
            State::BeforeEnd(transaction) => {
                core.take_message(envelope, facts);
                data::overlap(transaction, core)
            }
            State::Idle(before) => {
                core.take_message(envelope, facts);
                transaction::first(before, core)
            }
            other => other,
        });
    }

    /// No message follows.
    pub fn no_more_messages(&mut self) {
        self.core.series = Series::Over;
        self.step(|state, core| match state {
            State::BeforeEnd(transaction) => data::end_of_data(transaction, core),
            State::Idle(Before::Nothing) => core.quit(),
            State::Idle(Before::Unfinished) => transaction::take_back(core),
            other => other,
        });
    }
}
