//! The answer to a message: one, or in LMTP one for each recipient, in the order of the commands RCPT (RFC 2033
//! section 4.2).

use super::{Action, Answer, Protocol, Session, State, What};
use crate::server::faults::{self, When};
use crate::server::options::Faults;

impl Session {
    /// What a recipient's local part asks for: now for everybody, at the end of data in LMTP for itself alone.
    #[allow(clippy::option_option, reason = "the outer one says whether there is a fault, the inner one is a step's")]
    pub(super) fn fault_of_recipient(&mut self, at: usize, local_part: &str) -> Option<Option<Action>> {
        let own = || faults::asked_for(local_part).filter(|fault| fault.when == When::AtEndOfData);
        match own() {
            Some(fault) if self.options.protocol == Protocol::Lmtp && self.options.faults != Faults::Off => {
                self.own_faults.push((at, fault.what));
                None
            }
            _ => self.fault_of(local_part),
        }
    }

    /// Answers the message that is whole, and ends its transaction.
    pub(super) fn answer_message(&mut self, answer: Answer) {
        let recipients = self.transaction.as_ref().map_or(0, |transaction| transaction.recipients.len());
        let own = std::mem::take(&mut self.own_faults);
        self.reset();
        if self.options.protocol == Protocol::Smtp {
            self.answer(answer);
            return;
        }
        for at in 0..recipients {
            match own.iter().find(|(of, _)| *of == at) {
                Some((_, what)) => _ = self.suffer(what.clone()),
                None => _ = self.answer(answer.clone()),
            }
            if matches!(self.state, State::Closed) {
                return;
            }
        }
    }

    /// The sender has asked for this at the end of data.
    pub(super) fn suffer_with_message(&mut self, what: What) {
        match what {
            What::Reply(answer) if answer.code != 421 => self.answer_message(answer),
            other => {
                self.reset();
                self.suffer(other);
            }
        }
    }
}
