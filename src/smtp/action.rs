//! Actions and events: what a session tells its caller.

use super::capabilities::Extension;
pub use super::chunks::{Part, Position};
use super::outcome::Verdict;
#[cfg(doc)]
use super::session::Session;
use super::stage::Stage;
use crate::message::downgrade::Goal;

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a session goes on only when its actions are carried out"]
pub enum Action {
    /// Put these octets into the present flight. They go out together with all others when the next action is
    /// [`Action::Read`], [`Action::StartTls`] or [`Action::Close`]: one flight, one write.
    Write(Vec<u8>),
    /// Write out the flight, wait for octets and give them to [`Session::received`]; or tell
    /// [`Session::timed_out`] or [`Session::lost`]. The deadline is that of the stage, and begins anew when
    /// [`Session::replies`] has grown.
    Read(Stage),
    /// Put the message into the flight, framed for DATA; then tell [`Session::body_sent`]. What arrives meanwhile
    /// goes to [`Session::received`], and if the next action is another then, the message is given up. What has
    /// arrived when the last octets of the message are ready to leave must be told before [`Session::body_sent`]:
    /// it came before the end of the message and is no answer to it.
    SendBody,
    /// Put a part of the message into the flight, with CRLF line ends, and dots as they are. Then tell [`Session::chunk_sent`], and obey what it says. What arrives
    /// meanwhile, and what has arrived when the chunk is ready to leave, is told as for [`Action::SendBody`].
    SendChunk(Part),
    /// Write out the flight, and go on: what follows is a flight of its own although nothing is read between. The
    /// end of data goes so behind a firewall that loses it otherwise.
    Flush,
    /// Do the TLS handshake, then tell [`Session::tls_started`] or [`Session::tls_failed`].
    StartTls,
    /// Fetch the password, then tell [`Session::password`] or [`Session::no_password`].
    NeedPassword,
    /// Make a message without octets above 127, or without such in its header, of this one, then tell
    /// [`Session::reencoded`], [`Session::cannot_reencode`] or [`Session::reencoding_failed`]. The new one is sent in this session.
    Reencode(Goal),
    /// Tell the next message by [`Session::next_message`], or that there is none by [`Session::no_more_messages`]. The
    /// flight stays as it is, because more may go with it.
    NextMessage,
    /// Write out the flight and close the connection. There is nothing more to do.
    Close(Closing),
}

/// What becomes of a chunk that is in the flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message must not be ended by a chunk that is held back"]
pub enum Chunk {
    /// It may leave.
    Leaves,
    /// Its last octet must not leave: something has come that can be no answer to it.
    HeldBack,
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// With close_notify under TLS.
    Politely,
    /// At once: the message was cut short, or the peer is not to be trusted.
    Abruptly,
}

/// What happened, for transcript and log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// We said a line (secrets masked).
    Client(String),
    /// The server said a line (controls escaped).
    Server(String),
    /// Something that a reader should know, in our words.
    Note(String),
    /// The same, for whoever does not read along too.
    Warning(String),
    /// The message went out, with so many octets.
    Message(u64),
    /// A recipient, by the number in the envelope, has its verdict.
    Verdict(usize, Verdict),
    /// The server does not offer this, so the message goes without what the sender wished of it.
    Unserved(Extension),
}

/// Whether TLS is on, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Clear text.
    None,
    /// TLS with a certificate that nobody checked.
    Unverified,
    /// TLS with a checked certificate.
    Verified,
}
