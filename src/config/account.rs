//! An account: every setting that one submission needs, resolved and complete.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Settings as resolved: nothing is missing, and nothing needs to be looked up again but the secret itself.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name in `[account.NAME]`; `default` where there is no table.
    pub name: String,
    /// Servers to try, in this order; never empty.
    pub servers: Vec<Server>,
    /// How to log in; `None` when nobody does.
    pub login: Option<Login>,
    /// Transport security.
    pub tls: Tls,
    /// Patterns of sender addresses (`alice@example.org`, `*@example.org`, `@example.org`) that choose this account.
    pub from: Vec<String>,
    /// The name given with EHLO; `None` takes the machine's, or an address literal.
    pub hostname: Option<String>,
    /// What unqualified addresses get after the `@`.
    pub mail_domain: String,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Most recipients in one transaction.
    pub max_recipients: usize,
    /// Largest message in octets that this account takes, before any server is asked.
    pub max_size: Option<u64>,
    /// What happens when the server refuses some of the recipients.
    pub partial: Partial,
    /// What happens to 8-bit content when the server has no 8BITMIME.
    pub eight_bit: EightBit,
    /// What happens to lines of more than 998 octets.
    pub long_lines: LongLines,
    /// Where the line for each recipient and attempt goes.
    pub log: Log,
}

/// One server: what a `server` URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Its name or address.
    pub host: Host,
    /// TCP port.
    pub port: u16,
}

/// The scheme of a `server` URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `submissions://`: TLS from the first octet, port 465 (RFC 8314 section 3.3).
    Submissions,
    /// `submission://`: STARTTLS, port 587 (RFC 6409).
    Submission,
    /// `smtp://`: STARTTLS, port 25.
    Smtp,
}

/// A host as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A domain name in ASCII, lower case, without a trailing dot.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Who logs in, with what.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name (authentication identity).
    pub user: String,
    /// Where the password comes from.
    pub secret: Secret,
    /// Which mechanisms may be used.
    pub mechanisms: Mechanisms,
}

/// Where a password comes from. It is fetched only when AUTH is really reached.
#[derive(Clone, Debug)]
pub enum Secret {
    /// It stands in the configuration.
    Literal(secrecy::SecretString),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a shell command prints.
    Command(String),
}

/// The `auth` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanisms {
    /// The strongest that the server offers.
    Auto,
    /// These only, by their IANA names in upper case, in this order of preference.
    Named(Vec<String>),
}

/// Transport security as configured.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whether clear text is allowed.
    pub policy: TlsPolicy,
    /// Which authorities are trusted.
    pub roots: TlsRoots,
    /// SHA-256 of acceptable public keys (SubjectPublicKeyInfo); when not empty, one must match and the
    /// chain of the certificate is not looked at.
    pub pins: Vec<[u8; 32]>,
    /// The name to check instead of the server's.
    pub server_name: Option<String>,
    /// Certificate chain of the client (PEM).
    pub cert: Option<PathBuf>,
    /// Key of the client (PEM).
    pub key: Option<PathBuf>,
    /// Lowest version.
    pub min: TlsVersion,
}

/// The `tls` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// No message and no secret without TLS and a checked certificate. The default.
    Required,
    /// TLS where the server offers it, any certificate, else clear text; never with a password.
    Opportunistic,
    /// Clear text.
    None,
}

/// The `tls-roots` and `tls-ca-file` keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsRoots {
    /// The built-in roots first, the system's when they do not know the issuer.
    Both,
    /// Only the system's.
    System,
    /// Only the built-in ones.
    BuiltIn,
    /// Only the certificates in this PEM file.
    File(PathBuf),
}

/// The `tls-min` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), the default.
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Deadlines that the user can set; the others are those of RFC 5321 section 4.5.3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the race of all addresses of a server; 30 seconds by default.
    pub connect: Duration,
    /// When given, instead of each command's own time-out (the reply to the end of data keeps its 10 minutes).
    pub command: Option<Duration>,
    /// The body has 10 minutes plus its size divided by this many octets a second; 1024 by default.
    pub min_rate: u64,
}

/// The `partial` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The recipients that the server accepts get the message. The default.
    Deliver,
    /// Nobody gets it unless all do.
    AllOrNone,
}

/// The `eight-bit` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EightBit {
    /// Re-encode. The default.
    Encode,
    /// Send it as it is.
    Send,
    /// Refuse the message.
    Refuse,
}

/// The `long-lines` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLines {
    /// Re-encode as quoted-printable where the part allows it, else refuse. The default.
    Encode,
    /// Send them as they are.
    Pass,
    /// Refuse the message.
    Refuse,
}

/// The `log` and `log-file` keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// Nowhere.
    None,
    /// The system's log by way of `/dev/log`.
    Syslog,
    /// The journal (which listens there too).
    Journal,
    /// Appended to a file.
    File(PathBuf),
}
