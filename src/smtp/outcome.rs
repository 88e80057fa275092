//! Outcomes: a verdict for each recipient, whatever the server and the network do.

use super::capabilities::Extension;
use super::reply::{Class, Enhanced, Malformed, Reply};
use super::stage::Stage;

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server took responsibility for the message (its reply to the end of data).
    Accepted(Reply),
    /// Not now: the message may be tried again for this recipient.
    Deferred(Trouble),
    /// No: this recipient will not get this message from this server.
    Failed(Trouble),
}

/// What stood between the message and a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where it happened.
    pub stage: Stage,
    /// What happened.
    pub cause: Cause,
}

/// The kinds of trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server's own words.
    Replied(Reply),
    /// The server broke the protocol.
    Malformed(Malformed),
    /// The server said something that nobody had asked.
    Unsolicited(Reply),
    /// Octets came behind the reply to STARTTLS, in the clear: somebody tries to inject replies.
    Injected,
    /// A reply to the message came before the message had been sent whole, and said yes.
    TooEarly(Reply),
    /// The connection broke; the system's or the TLS library's words.
    Lost(String),
    /// No answer in time.
    TimedOut,
    /// The program was asked to end: the name of the signal.
    Stopped(&'static str),
    /// No address of the host could be reached.
    Unreachable(String),
    /// There is no way to the recipient's domain.
    NoRoute(NoRoute),
    /// The host's name has no address, for certain.
    NoSuchHost(String),
    /// The TLS handshake failed: the reason.
    Tls(String),
    /// TLS is required, and EHLO did not offer STARTTLS.
    TlsNotOffered {
        /// A firewall has overwritten keywords.
        masked: bool,
    },
    /// A login is configured, and the server offers no mechanism that may be used: what it offers.
    NoMechanism(Vec<String>),
    /// A login is configured, the connection is in clear text, and no mechanism that hides the password is offered.
    ClearTextLogin,
    /// The server gave challenges that the mechanism cannot answer.
    Challenge(&'static str),
    /// The mechanism's own error: the server's word for it (`e=` of SCRAM).
    LoginRefused(String),
    /// The server refuses the access token: its reply, and what it said of the token before, in words for a person.
    TokenRefused {
        /// The reply.
        reply: Reply,
        /// Empty where it said nothing.
        complaint: String,
    },
    /// The server says yes to a login in which it must prove that it knows the password, and has not.
    FalseServer,
    /// No mechanism that may be used can carry this user name or password: SASLprep forbids one of their characters.
    Unpreparable,
    /// The password could not be had: the reason.
    NoPassword(String),
    /// The message has more octets than the server takes.
    TooLarge {
        /// Octets of the message.
        size: u64,
        /// Octets that the server takes.
        limit: u64,
    },
    /// The message has 8-bit content and the server does not list 8BITMIME, or an 8-bit header that SMTPUTF8 does not
    /// cover.
    EightBit,
    /// The same, and it cannot be re-encoded: the reason.
    CannotReencode(String),
    /// An address is not ASCII, and the server does not list SMTPUTF8.
    Utf8Address,
    /// The sender insists on something that the server does not offer.
    NotOffered(Extension),
    /// The server takes no such attribute of a client (XCLIENT).
    NoAttribute(&'static str),
    /// The attributes of a client do not fit in one command (XCLIENT).
    LongXclient,
    /// The sender wants TLS all the way (REQUIRETLS), and this connection has none with a verified server.
    TlsOnTheWay,
    /// The message is to be delivered sooner, or returned, than the server promises to see to.
    TooSoon {
        /// Seconds that it wants at least.
        least: u32,
    },
    /// The message is to be held longer than the server does.
    HeldTooLong {
        /// How long it does, or until when.
        most: String,
    },
    /// The server takes no more in one session (LIMITS), and this recipient's turn is in another.
    SessionFull,
    /// A command line would be longer than the protocol allows.
    LineTooLong,
    /// The message could not be read to its end: the reason.
    Unreadable(String),
    /// Another recipient was refused, and nobody shall get the message unless all do.
    OthersRefused,
}

/// Why there is no way to a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoute {
    /// What kind of reason it is.
    pub kind: NoRouteKind,
    /// The reason in words.
    pub words: String,
}

/// The kinds of reasons, each with an enhanced status code (RFC 3463, RFC 7505).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRouteKind {
    /// 5.1.2: there is no such domain, or it has no host that takes mail.
    NoDomain,
    /// 5.1.10: the domain says that it takes no mail.
    NullMx,
    /// 5.4.6: the way leads back to this machine.
    Loop,
    /// 4.4.3: nobody knows at the moment.
    Unknown,
    /// 4.7.5: what there is must not be used, as things are.
    Untrusted,
}

impl NoRoute {
    /// The enhanced status code.
    pub fn code(&self) -> &'static str {
        match self.kind {
            NoRouteKind::NoDomain => "5.1.2",
            NoRouteKind::NullMx => "5.1.10",
            NoRouteKind::Loop => "5.4.6",
            NoRouteKind::Unknown => "4.4.3",
            NoRouteKind::Untrusted => "4.7.5",
        }
    }

    /// Whether it may pass.
    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, NoRouteKind::Unknown | NoRouteKind::Untrusted)
    }
}

impl Trouble {
    /// The enhanced status code: the server's, or what a failure found out here is called (RFC 3463).
    pub fn status(&self) -> Option<Enhanced> {
        let (class, subject, detail) = match &self.cause {
            Cause::Replied(reply) => return reply.enhanced(),
            Cause::TooLarge { .. } => (5, 3, 4),
            Cause::EightBit | Cause::CannotReencode(_) => (5, 6, 3),
            Cause::Utf8Address => (5, 6, 7),
            Cause::LineTooLong => (5, 1, 3),
            Cause::Unreachable(_) | Cause::NoSuchHost(_) => (4, 4, 1),
            Cause::TimedOut | Cause::Lost(_) => (4, 4, 2),
            _ => return None,
        };
        Some(Enhanced { class, subject, detail })
    }

    /// Whether the message may have been delivered all the same: its end was sent, and no answer came that could be
    /// understood (RFC 1047).
    pub fn may_be_delivered(&self) -> bool {
        self.stage == Stage::EndOfData
            && match &self.cause {
                Cause::Lost(_) | Cause::TimedOut | Cause::Stopped(_) | Cause::Malformed(_) | Cause::Unsolicited(_) => {
                    true
                }
                Cause::Replied(reply) => reply.class() == Class::Intermediate,
                _ => false,
            }
    }

    /// The reply behind the trouble, if there is one.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.cause {
            Cause::Replied(reply) | Cause::Unsolicited(reply) | Cause::TooEarly(reply) => Some(reply),
            Cause::TokenRefused { reply, .. } => Some(reply),
            _ => None,
        }
    }

    /// The verdict that this trouble means for a recipient.
    ///
    /// Only what the server itself, or the message, rules out for good is a failure. A refused login is not: it is
    /// the account's fault and not the recipient's, and the cure is to mend the account and try again. STARTTLS is
    /// none because TLS trouble may be an attack, and RSET none because the next connection does without it.
    pub fn verdict(self) -> Verdict {
        let permanent = match &self.cause {
            Cause::Replied(reply) => {
                reply.class() == Class::Permanent
                    && !matches!(self.stage, Stage::Auth | Stage::StartTls | Stage::Reset)
                    && reply.code() != 530
            }
            Cause::NoRoute(why) => !why.is_temporary(),
            Cause::TooLarge { .. }
            | Cause::EightBit
            | Cause::CannotReencode(_)
            | Cause::Utf8Address
            | Cause::NotOffered(_)
            | Cause::NoAttribute(_)
            | Cause::LongXclient
            | Cause::TlsOnTheWay
            | Cause::TooSoon { .. }
            | Cause::HeldTooLong { .. }
            | Cause::LineTooLong
            | Cause::OthersRefused => true,
            _ => false,
        };
        if permanent { Verdict::Failed(self) } else { Verdict::Deferred(self) }
    }
}
