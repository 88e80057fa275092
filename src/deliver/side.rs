//! Who listens to the sessions of a message.

use std::cell::RefCell;

use super::{Attempt, Witness};
use crate::net::Notice;

/// The witness, to whom several sessions speak in turn.
pub(super) struct Audience<'a> {
    witness: RefCell<&'a mut dyn Witness>,
}

/// One that speaks to the witness.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    audience: &'a Audience<'a>,
}

impl<'a> Audience<'a> {
    pub(super) fn new(witness: &'a mut dyn Witness) -> Self {
        Audience { witness: RefCell::new(witness) }
    }
}

impl<'a> Voice<'a> {
    pub(super) fn to(audience: &'a Audience<'a>) -> Self {
        Voice { audience }
    }

    pub(super) fn decisions(self, decisions: &[String]) {
        decisions.iter().for_each(|decision| self.notice(Notice::Note(decision.clone())));
    }

    pub(super) fn message(self, size: u64) {
        self.say(|witness| witness.message(size));
    }

    pub(super) fn notice(self, notice: Notice) {
        self.say(|witness| witness.notice(notice));
    }

    pub(super) fn attempt(self, attempt: &Attempt<'_>) {
        self.say(|witness| witness.attempt(attempt));
    }

    fn say(self, words: impl FnOnce(&mut dyn Witness)) {
        words(&mut **self.audience.witness.borrow_mut());
    }
}
