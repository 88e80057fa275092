//! Messages behind the first one, which go in the same session as far as it lasts.

use super::{Outcome, Whose, leaves_hope};
use crate::envelope::Envelope;
use crate::message::{Message, Source};
use crate::net::drive::Messages;
use crate::smtp::outcome::{Cause, Trouble, Verdict};
use crate::smtp::session::Purpose;
use crate::smtp::stage::Stage;

/// A message on its way.
#[derive(Debug)]
pub struct Letter {
    /// What it is called in what is told of it.
    pub name: String,
    /// Its envelope.
    pub envelope: Envelope,
    /// The message.
    pub message: Message,
}

/// Whoever has messages to be sent, and wants to know what became of them.
pub trait Letters {
    /// The next message, which has not been given before.
    fn next(&mut self) -> Option<Letter>;
    /// What became of a message, or of some of its recipients.
    fn over(&mut self, name: &str, outcomes: Vec<Outcome>);
    /// These recipients did not get this message, and may get it in another session, which it should begin.
    fn again(&mut self, letter: Letter);
}

/// The messages of a session.
pub(super) struct Series<'a> {
    letters: &'a mut (dyn Letters + 'a),
    /// The first message.
    head: &'a mut (dyn Source + 'a),
    followers: Vec<Follower>,
    end: End,
    elsewhere: Elsewhere,
}

/// Where a message may go that this server has deferred.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// The account has no other server.
    Nowhere,
    /// To the account's other servers.
    Servers,
}

/// What ends a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// That there is no other message.
    Last,
    /// Something else, so far as is known.
    Early,
}

struct Follower {
    name: String,
    envelope: Envelope,
    /// The number of its first recipient.
    first: usize,
    size: u64,
    /// The message, while it may still be needed.
    message: Option<Message>,
}

impl<'a> Series<'a> {
    pub(super) fn new(
        letters: &'a mut (dyn Letters + 'a),
        head: &'a mut (dyn Source + 'a),
        elsewhere: Elsewhere,
    ) -> Self {
        Series { letters, head, followers: Vec::new(), end: End::Early, elsewhere }
    }

    /// Tells what became of all but the first message, whose recipients come before theirs; `attempt` hears of each
    /// message with its size and verdicts.
    pub(super) fn finish(
        self,
        verdicts: &[Option<Verdict>],
        server: &str,
        mut attempt: impl FnMut(&Envelope, u64, &[Verdict]),
    ) {
        let lost = Trouble { stage: Stage::Quit, cause: Cause::Lost("the session has no verdict".to_owned()) };
        let mut verdicts = verdicts.iter();
        let may_try_again = self.end == End::Early || self.elsewhere == Elsewhere::Servers;
        for Follower { name, envelope, size, message, .. } in self.followers {
            let own: Vec<Verdict> = (envelope.recipients().iter())
                .map(|_| verdicts.next().cloned().flatten().unwrap_or_else(|| Verdict::Deferred(lost.clone())))
                .collect();
            attempt(&envelope, size, &own);
            let mut outcomes = Vec::new();
            let mut open = Vec::new();
            for (at, (recipient, verdict)) in envelope.recipients().iter().zip(own).enumerate() {
                if message.is_some() && may_try_again && leaves_hope(&verdict) {
                    open.push(at);
                } else {
                    outcomes.push(Outcome {
                        recipient: recipient.clone(),
                        verdict,
                        server: server.to_owned(),
                        whose: Whose::Own,
                        decisions: Default::default(),
                    });
                }
            }
            self.letters.over(&name, outcomes);
            if let (Some(message), Some(envelope)) = (message, envelope.part(&open)) {
                self.letters.again(Letter { name, envelope, message });
            }
        }
    }
}

impl Messages for Series<'_> {
    fn next(&mut self, verdicts: &[Option<Verdict>]) -> Option<Purpose> {
        let Some(Letter { name, envelope, message }) = self.letters.next() else {
            self.end = End::Last;
            return None;
        };
        // All but the last one have their verdicts.
        if let [.., settled, _] = &mut self.followers[..] {
            let own = verdicts.iter().skip(settled.first).take(settled.envelope.recipients().len());
            if self.elsewhere == Elsewhere::Nowhere || !own.flatten().any(leaves_hope) {
                settled.message = None;
            }
        }
        let facts = *message.facts();
        let purpose = Purpose::Submit(envelope.clone(), facts);
        let first = verdicts.len();
        self.followers.push(Follower { name, envelope, first, size: facts.size, message: Some(message) });
        Some(purpose)
    }

    fn source(&mut self) -> &mut dyn Source {
        match self.followers.last_mut().and_then(|follower| follower.message.as_mut()) {
            Some(message) => message,
            None => &mut *self.head,
        }
    }
}
