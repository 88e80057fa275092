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
    Accepted(String),
    /// 451: not now.
    Deferred(String),
    /// 554: never.
    Refused(String),
}

impl Verdict {
    pub(super) fn answer(self) -> Answer {
        match self {
            Verdict::Accepted(text) => Answer::new(250, 0, 0, text),
            Verdict::Deferred(text) => Answer::new(451, 3, 0, text),
            Verdict::Refused(text) => Answer::new(554, 0, 0, text),
        }
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
