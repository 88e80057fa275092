//! Somebody who talks to a session. A script is fed whole, octet by octet and in odd blocks; what is heard must be the same.

use std::sync::Arc;

use posthaste::server::options::Options;
use posthaste::server::session::{Action, Security, Session, Verdict};
use posthaste::server::transaction::Transaction;

/// Opens a transaction as far as the data.
pub const MAIL: &str = "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

/// What came of a script.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub replies: String,
    pub messages: Vec<(Transaction, Vec<u8>)>,
    pub discarded: u32,
    pub end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum End {
    #[default]
    Waiting,
    Tls,
    Closed,
}

impl Heard {
    /// The codes alone, one for each reply line.
    pub fn codes(&self) -> String {
        self.replies.lines().map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
    }

    pub fn last(&self) -> &str {
        self.replies.lines().last().unwrap()
    }
}

pub struct Peer {
    pub session: Session,
    pub heard: Heard,
    pub message: Option<(Transaction, Vec<u8>)>,
    pub actions: usize,
}

impl Peer {
    pub fn new(options: Options, security: Security) -> Self {
        let session = Session::new(Arc::new(options), security, "nonce".to_owned());
        let mut peer = Peer { session, heard: Heard::default(), message: None, actions: 0 };
        peer.obey();
        peer
    }

    pub fn feed(&mut self, octets: &[u8]) {
        self.session.feed(octets);
        self.obey();
    }

    fn obey(&mut self) {
        loop {
            self.actions += 1;
            match self.session.next() {
                Action::Write(octets) => self.heard.replies.push_str(std::str::from_utf8(&octets).unwrap()),
                Action::Begin(transaction) => self.message = Some((*transaction, Vec::new())),
                Action::Data(octets) => self.message.as_mut().unwrap().1.extend(octets),
                Action::Discard => {
                    self.message = None;
                    self.heard.discarded += 1;
                }
                Action::End => {
                    self.heard.messages.push(self.message.take().unwrap());
                    self.session.conclude(Verdict::Accepted("taken".into()));
                }
                Action::StartTls => return self.heard.end = End::Tls,
                Action::Close => return self.heard.end = End::Closed,
                Action::NeedMore => return,
            }
        }
    }
}

pub fn hear(options: &Options, security: Security, script: &[u8]) -> Heard {
    let mut whole = Peer::new(options.clone(), security);
    whole.feed(script);
    // Where octets follow STARTTLS, the cut decides; those scripts are fed by hand.
    if whole.heard.end != End::Tls {
        for block in [1, 2, 3, 7, 61] {
            let mut cut = Peer::new(options.clone(), security);
            script.chunks(block).for_each(|octets| cut.feed(octets));
            assert_eq!(cut.heard, whole.heard, "in blocks of {block}: {}", script.escape_ascii());
        }
    }
    whole.heard
}

pub fn say(script: &str) -> Heard {
    hear(&Options::default(), Security::Clear, script.as_bytes())
}
