//! BDAT (RFC 3030): a message in chunks, each with a reply of its own. Whatever becomes of a chunk, its octets are
//! taken, so that none of them is read as a command.

use super::{Fate, Session, State};
use crate::server::action::Action;
use crate::server::answer::Answer;
use crate::server::command::Position;
use crate::server::options::Extension;
use crate::server::transaction::too_big;

/// A message of which chunks have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    size: u64,
    fate: Fate,
}

/// A chunk that is coming in.
#[derive(Debug)]
pub(super) struct Chunk {
    left: u64,
    size: u64,
    position: Position,
    use_of_it: Use,
}

/// What is done with the octets of a chunk.
#[derive(Debug)]
enum Use {
    /// They go to the message.
    Message,
    /// Nothing; the reply stands already.
    None(Answer),
}

impl Session {
    pub(super) fn begin_chunk(&mut self, size: u64, position: Position) -> Option<Action> {
        if !self.options.offers(Extension::Chunking) {
            return self.close(Answer::new(421, 7, 0, "this was not offered; closing the connection"));
        }
        let unwanted = match (&self.transaction, self.begun) {
            (None, _) => Some(Answer::new(503, 5, 1, "say MAIL first")),
            (Some(transaction), _) if transaction.recipients.is_empty() => {
                Some(Answer::new(554, 5, 1, "there is no recipient to whom it could go"))
            }
            (_, Some(Begun { fate: Fate::TooBig, .. })) => Some(Answer::new(503, 5, 1, "say RSET first")),
            _ => None,
        };
        let first = unwanted.is_none() && self.begun.is_none();
        if first {
            self.begun = Some(Begun { size: 0, fate: Fate::Wanted });
        }
        let use_of_it = unwanted.map_or(Use::Message, Use::None);
        self.state = State::Chunk(Chunk { left: size, size, position, use_of_it });
        self.transaction.clone().filter(|_| first).map(Action::Begin)
    }

    pub(super) fn chunk(&mut self, mut chunk: Chunk) -> Option<Action> {
        if chunk.left == 0 {
            return self.end_chunk(chunk);
        }
        let block = self.input.rest();
        if block.is_empty() {
            self.state = State::Chunk(chunk);
            return Some(Action::NeedMore);
        }
        let count = block.len().min(usize::try_from(chunk.left).unwrap_or(usize::MAX));
        let octets = block[..count].to_vec();
        self.input.skip(count);
        chunk.left -= count as u64;
        let action = self.take(&chunk, octets);
        self.state = State::Chunk(chunk);
        action
    }

    fn take(&mut self, chunk: &Chunk, octets: Vec<u8>) -> Option<Action> {
        let (Use::Message, Some(begun)) = (&chunk.use_of_it, &mut self.begun) else { return None };
        if begun.fate == Fate::TooBig {
            return None;
        }
        begun.size = begun.size.saturating_add(octets.len() as u64);
        if begun.size > self.options.max_size {
            begun.fate = Fate::TooBig;
            return Some(Action::Discard);
        }
        Some(Action::Data(octets))
    }

    fn end_chunk(&mut self, chunk: Chunk) -> Option<Action> {
        let fate = self.begun.map_or(Fate::Wanted, |begun| begun.fate);
        match (chunk.use_of_it, chunk.position, fate) {
            (Use::None(answer), ..) => self.mistake(answer),
            (Use::Message, Position::Inner, Fate::Wanted) => {
                self.answer(Answer::new(250, 0, 0, format!("{} octets taken", chunk.size)))
            }
            // What follows up to RSET is refused, too.
            (Use::Message, Position::Inner, Fate::TooBig) => self.answer(too_big(&self.options)),
            (Use::Message, Position::Last, Fate::TooBig) => {
                self.answer_message(too_big(&self.options));
                None
            }
            (Use::Message, Position::Last, Fate::Wanted) => match self.fault.take() {
                Some(what) => {
                    self.suffer_with_message(what);
                    Some(Action::Discard)
                }
                None => {
                    self.state = State::Concluding;
                    None
                }
            },
        }
    }
}
