//! What happens on a connection, told as it happens: for the transcript, the log and `posthaste check`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use super::fault::{FaultKind, TlsFault};
pub use crate::message::downgrade::{Dkim, Fields, Goal};
use crate::smtp::capabilities::Extension;
use crate::smtp::outcome::Verdict;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A connection to this server is being opened.
    Connecting {
        /// `host:port` as configured.
        server: String,
    },
    /// The connection stands.
    Connected {
        /// Who answered.
        peer: Peer,
        /// Our end of it, where it is an address.
        local: Option<SocketAddr>,
    },
    /// How a handshake ended, for whoever counts; a certificate that was only watched is a fault, too.
    Handshake(Result<(), TlsFault>),
    /// TLS is on.
    Secured(TlsFacts),
    /// The server's certificate was refused.
    Refused(CertificateFacts),
    /// We said a line (secrets masked).
    Client(String),
    /// The server said a line (controls escaped).
    Server(String),
    /// The message went out, with so many octets.
    Message(u64),
    /// A recipient, by the number in the envelope of this session, has its verdict.
    Verdict(usize, Verdict),
    /// The server does not offer this, so the message goes without what the sender wished of it.
    Unserved(Extension),
    /// The message was re-encoded for this server, and has so many octets now.
    Reencoded(Goal, u64, Dkim),
    /// Something else that a reader of the transcript should know.
    Note(String),
    /// The same, for whoever reads no transcript too.
    Warning(String),
    /// The connection is closed.
    Closed,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The server's address.
    Address(SocketAddr),
    /// A socket of this machine, by its path.
    Socket(PathBuf),
    /// A proxy has connected; its own address.
    Proxy(SocketAddr),
    /// A command has been started, and connects or not.
    Command,
}

impl Peer {
    /// The server's address, where it is known.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Peer::Address(address) => Some(*address),
            Peer::Socket(_) | Peer::Proxy(_) | Peer::Command => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Address(address) => address.fmt(f),
            Peer::Socket(path) => path.display().fmt(f),
            Peer::Proxy(address) => write!(f, "the proxy {address}"),
            Peer::Command => f.write_str("proxy-command"),
        }
    }
}

/// What a TLS connection is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLS 1.3`.
    pub version: String,
    /// The cipher suite by its IANA name.
    pub cipher: String,
    /// The group of the key exchange, such as `X25519MLKEM768`.
    pub group: String,
    /// How the certificate was checked: `verified`, `verified by DANE`, `pinned`, or `not verified`.
    pub check: &'static str,
    /// The server's certificate.
    pub certificate: CertificateFacts,
}

/// What a certificate says of itself. For people only: nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The common name or the whole name of the subject.
    pub subject: String,
    /// The same of the issuer.
    pub issuer: String,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
    /// End of its life, `2027-01-31 12:00:00 UTC`.
    pub not_after: String,
    /// The same in seconds since 1970.
    pub not_after_unix: i64,
    /// SHA-256 of the public key (SubjectPublicKeyInfo) in hexadecimal: the value of `tls-pin`.
    pub pin: String,
}
