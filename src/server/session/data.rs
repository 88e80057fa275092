//! DATA (RFC 5321 section 4.1.1.4).

use super::{Fate, Session, State};
use crate::server::action::Action;
use crate::server::answer::{Answer, Enhanced};
use crate::server::data::{Progress, Unstuffer};
use crate::server::options::Protocol;
use crate::server::transaction::{Body, too_big};

impl Session {
    pub(super) fn begin_data(&mut self) -> Option<Action> {
        let Some(transaction) = &self.transaction else { return self.out_of_order("say MAIL first") };
        if self.begun.is_some() {
            return self.out_of_order("the message comes in chunks already");
        }
        if transaction.body == Some(Body::BinaryMime) {
            return self.out_of_order("a binary message comes in chunks");
        }
        if transaction.recipients.is_empty() {
            let code = if self.options.protocol == Protocol::Lmtp { 503 } else { 554 };
            return self.answer(Answer::new(code, 5, 1, "there is no recipient to whom it could go"));
        }
        let transaction = transaction.clone();
        let unstuffer = Unstuffer::new(self.input.line_ends());
        self.state = State::Data { unstuffer, size: 0, fate: Fate::Wanted };
        Answer::plain(354, "send the message; a line of one dot ends it").write(Enhanced::No, &mut self.out);
        Some(Action::Begin(transaction))
    }

    pub(super) fn data(&mut self, mut unstuffer: Unstuffer, size: u64, fate: Fate) -> Option<Action> {
        let block = self.input.rest();
        if block.is_empty() {
            self.state = State::Data { unstuffer, size, fate };
            return Some(Action::NeedMore);
        }
        let mut octets = Vec::with_capacity(block.len());
        let progress = unstuffer.push(block, &mut octets);
        let used = if let Progress::End(used) = progress { used } else { block.len() };
        self.input.skip(used);
        let size = size + octets.len() as u64;
        let newly_too_big = fate == Fate::Wanted && size > self.options.max_size;
        let fate = if newly_too_big { Fate::TooBig } else { fate };
        let give = (fate == Fate::Wanted && !octets.is_empty()).then_some(Action::Data(octets));
        match (progress, fate) {
            (Progress::More, _) => {
                self.state = State::Data { unstuffer, size, fate };
                if newly_too_big { Some(Action::Discard) } else { give }
            }
            (Progress::End(_), Fate::TooBig) => {
                self.answer_message(too_big(&self.options));
                newly_too_big.then_some(Action::Discard)
            }
            (Progress::End(_), Fate::Wanted) => match self.fault.take() {
                Some(what) => {
                    self.suffer_with_message(what);
                    Some(Action::Discard)
                }
                None => {
                    self.state = State::Concluding;
                    give
                }
            },
        }
    }
}
