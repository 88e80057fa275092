//! What a session and its driver say to each other.

use super::answer::Answer;
use super::transaction::Transaction;

/// What the driver must do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write these octets to the peer, and flush.
    Write(Vec<u8>),
    /// Do the TLS handshake on the connection, then call [`Session::tls_started`](super::session::Session::tls_started); close it when the handshake fails.
    StartTls,
    /// A message begins: DATA has been accepted. Octets follow.
    Begin(Box<Transaction>),
    /// The next octets of the message, unstuffed; line ends stand as they came.
    Data(Vec<u8>),
    /// The message that has begun is not to be: it is too large, or an address asked for a fault. Forget it.
    Discard,
    /// The message is whole. Call [`Session::conclude`](super::session::Session::conclude).
    End,
    /// Close the connection.
    Close,
    /// Nothing more to do without input. Read, and call [`Session::feed`](super::session::Session::feed).
    NeedMore,
}

/// What becomes of a message that is whole. The words are the reply's; control characters are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 250: it has been delivered, or is safe on disk.
    Accepted(Words),
    /// 451: not now.
    Deferred(Words),
    /// 554: never.
    Refused(Words),
}

/// What a verdict says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Subject and detail of the enhanced status code (RFC 3463); the class is that of the verdict.
    pub status: Option<(u16, u16)>,
    /// In one line.
    pub text: String,
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Words { status: None, text }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Words::from(text.to_owned())
    }
}

impl Verdict {
    pub(super) fn answer(self) -> Answer {
        let (code, usual, words) = match self {
            Verdict::Accepted(words) => (250, (0, 0), words),
            Verdict::Deferred(words) => (451, (3, 0), words),
            Verdict::Refused(words) => (554, (0, 0), words),
        };
        let (subject, detail) = words.status.unwrap_or(usual);
        Answer::new(code, subject, detail, words.text)
    }
}

/// Why the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The peer said nothing for too long, or took too long in all.
    TimedOut,
    /// There are too many connections. Said before the greeting, it stands in its place.
    Busy,
    /// The server ends.
    ShuttingDown,
}

impl GiveUp {
    pub(super) fn answer(self) -> Answer {
        match self {
            GiveUp::TimedOut => Answer::new(421, 4, 2, "that took too long; closing the connection"),
            GiveUp::Busy => Answer::new(421, 3, 2, "too many connections; come again later"),
            GiveUp::ShuttingDown => Answer::new(421, 3, 2, "shutting down; closing the connection"),
        }
    }
}

/// What protects the connection at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing: a socket, or a pipe.
    Clear,
    /// TLS, from the first octet.
    Tls,
}

/// Where the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Between commands; nothing is lost. QUIT should have come first, and need not.
    BetweenCommands,
    /// In a message, which must not be delivered.
    InsideMessage,
}
