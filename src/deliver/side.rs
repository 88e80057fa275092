//! Sessions side by side: who listens to them, and that no server has two of them at the same time.

use std::cell::{RefCell, RefMut};

use tokio::sync::Notify;

use super::{Attempt, Witness};
use crate::net::Notice;

/// The witness, to whom several sessions speak in turn.
pub(super) struct Audience<'a> {
    witness: RefCell<&'a mut dyn Witness>,
}

/// One that speaks to the witness.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a, 'w> {
    audience: &'a Audience<'w>,
    /// The server of the session, where there are others at the same time.
    server: Option<&'a str>,
}

impl<'a> Audience<'a> {
    pub(super) fn new(witness: &'a mut dyn Witness) -> Self {
        Audience { witness: RefCell::new(witness) }
    }
}

impl<'a, 'w> Voice<'a, 'w> {
    /// Of no session, or of the only one.
    pub(super) fn alone(audience: &'a Audience<'w>) -> Self {
        Voice { audience, server: None }
    }

    /// Of a session with this server, among others.
    pub(super) fn among_others<'s>(self, server: &'s str) -> Voice<'s, 'w>
    where
        'a: 's,
    {
        Voice { server: Some(server), ..self }
    }

    pub(super) fn decisions(self, decisions: &[String]) {
        decisions.iter().for_each(|decision| self.notice(Notice::Note(decision.clone())));
    }

    pub(super) fn message(self, size: u64) {
        self.begin().message(size);
        self.end();
    }

    pub(super) fn notice(self, notice: Notice) {
        self.begin().notice(notice);
        self.end();
    }

    pub(super) fn attempt(self, attempt: &Attempt<'_>) {
        self.begin().attempt(attempt);
        self.end();
    }

    /// The witness, who is told whose words come. Nobody else speaks before the end: all of it is one step of the program.
    fn begin(self) -> RefMut<'a, &'w mut dyn Witness> {
        let mut witness = self.audience.witness.borrow_mut();
        if self.server.is_some() {
            witness.session(self.server);
        }
        witness
    }

    fn end(self) {
        if self.server.is_some() {
            self.audience.witness.borrow_mut().session(None);
        }
    }
}

/// The servers that have a session of this message.
#[derive(Default)]
pub(super) struct Busy {
    servers: RefCell<Vec<String>>,
    freed: Notify,
}

/// Nobody else has a session with a server while this lives.
pub(super) struct Turn<'a> {
    busy: &'a Busy,
    server: &'a str,
}

impl Busy {
    /// Waits until no other session is open with a server. Whoever has a turn must not wait for another one.
    pub(super) async fn turn<'a>(&'a self, server: &'a str, voice: Voice<'_, '_>) -> Turn<'a> {
        let is_busy = || self.servers.borrow().iter().any(|busy| busy == server);
        if is_busy() {
            voice.notice(Notice::Note("waiting for the end of another session with this server".to_owned()));
        }
        loop {
            let freed = self.freed.notified();
            if !is_busy() {
                self.servers.borrow_mut().push(server.to_owned());
                return Turn { busy: self, server };
            }
            freed.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.busy.servers.borrow_mut().retain(|busy| busy != self.server);
        self.busy.freed.notify_waiters();
    }
}
