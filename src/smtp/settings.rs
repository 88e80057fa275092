//! Settings: what a session is told by its caller.

use super::memory::Memory;
use super::question::Question;
use super::sasl::{Mechanism, Nonce};
use crate::envelope::{ClientAttribute, Envelope};
use crate::message::Facts;

/// What a session needs to know of the account and the host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is spoken.
    pub protocol: Protocol,
    /// The argument of EHLO: a domain or an address literal (RFC 5321 section 4.1.1.1).
    pub hello: String,
    /// When TLS begins, and whether it must.
    pub tls: TlsMode,
    /// Whether and how to log in.
    pub login: LoginMode,
    /// Most recipients in one transaction. [`Partial::AllOrNone`] takes precedence: it needs all in one.
    pub max_recipients: usize,
    /// What happens when the server refuses some of the recipients.
    pub partial: Partial,
    /// What happens to 8-bit content when the server does not list 8BITMIME, and to 8-bit header fields that SMTPUTF8 does
    /// not allow.
    pub eight_bit: EightBit,
    /// Whether the message goes out in chunks.
    pub chunking: Chunking,
    /// What the server shall take for its client, before the login; most servers refuse it.
    pub xclient: Vec<ClientAttribute>,
    /// What it means that the server has the name of this host.
    pub namesake: Namesake,
    /// What an earlier connection to this host has taught.
    pub caution: Caution,
    /// What earlier runs have.
    pub memory: Memory,
}

/// The protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321): one reply to the message.
    Smtp,
    /// LMTP (RFC 2033): LHLO, and a reply to the message for each recipient that was accepted.
    Lmtp,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Before the first octet of SMTP (RFC 8314 section 3.3).
    Implicit,
    /// By STARTTLS, and nothing is said before (RFC 3207).
    Required,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// Never.
    None,
}

/// Whether to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginMode {
    /// Nobody logs in.
    None,
    /// This user does.
    As {
        /// The user name. With EXTERNAL alone it is whom the client acts for, and may be empty.
        user: String,
        /// Mechanisms that may be used, in this order.
        mechanisms: Vec<Mechanism>,
        /// Whether a mechanism that reveals the password may be used without verified TLS.
        clear_text: ClearText,
        /// For SCRAM, which is not used without. It must be made of random octets for this session.
        nonce: Option<Nonce>,
        /// Host and port of the server, as the account names them, for OAUTHBEARER.
        server: Option<(String, u16)>,
    },
}

/// Whether a password may go over a connection that is not protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearText {
    /// Never. The default.
    Never,
    /// The account says so in writing, and the server is this machine.
    Allowed,
}

/// What it means that the server calls itself as we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namesake {
    /// Nothing: it is the server of this machine, and takes our mail.
    Fine,
    /// The mail came back to where it begins: it loops, and goes no further.
    Loop,
}

/// What happens when the server refuses some of the recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The others get the message.
    Deliver,
    /// Nobody gets it.
    AllOrNone,
}

/// What happens to 8-bit content when the server does not list 8BITMIME, and to 8-bit header fields that SMTPUTF8 does
/// not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EightBit {
    /// It is re-encoded ([`Action::Reencode`](super::session::Action::Reencode)), and refused where that cannot be.
    Encode,
    /// It is sent as it is, against RFC 6152 section 3.
    Send,
    /// The message is refused.
    Refuse,
}

/// Whether a message goes out by BDAT (RFC 3030) where the server lists CHUNKING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// Never.
    Never,
    /// Where DATA cannot carry it: with `BODY=BINARYMIME`.
    Needed,
    /// Always, and when the recipients are known.
    AfterRecipients,
    /// Always, and a small message in one flight with MAIL and RCPT.
    SameFlight,
}

/// A fault of the host that an earlier connection has shown, and that this one avoids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// None known.
    None,
    /// None, but it takes only so much in one session (RFC 9422): this one is for the rest.
    Rest,
    /// It closes the connection at EHLO: say HELO.
    Helo,
    /// Its TLS does not work, and clear text is allowed.
    ClearText,
    /// It lists CHUNKING, and BDAT does not work: say DATA.
    Data,
    /// It loses commands that come behind AUTH: AUTH goes alone.
    Login,
    /// It loses commands that come together, or goes away after so many recipients: send one command at a time,
    /// and only half of the recipients in one transaction where they are many.
    Serial,
}

/// Whether it is seen what the server says to MAIL before the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyProbe {
    /// It is asked.
    Asked,
    /// It is not: a server may hang up on whoever asks.
    Left,
}

/// Whether other messages follow the first one on the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// None does.
    Over,
    /// Some may.
    Open,
}

/// What a session is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To send a message.
    Submit(Envelope, Facts),
    /// To see how far one would come: everything up to the login.
    Probe(EarlyProbe),
    /// To ask something, behind the login.
    Ask(Vec<Question>),
}
