//! An account: every setting that one submission needs, resolved and complete.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::envelope::{ClientAttribute, Dsn};

pub use super::dane::{Association, Dane, Matching, MtaSts, Proof, Selector};
pub use super::dns::{Dns, DnsServer, DnsTrust};
pub use super::identity::{AliasesIn, Domain, Identity, KeepOriginal, SenderEntry, Who};
pub use super::reach::{Family, Proxy, ProxyKind, ProxyLogin, Reach, Via, command_for};
pub use super::relay::{Relay, Service, is_within};
pub use super::tlsrpt::TlsReports;

/// Settings as resolved: nothing is missing, and nothing needs to be looked up again but the secret itself.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name in `[account.NAME]`; `default` where there is no table.
    pub name: String,
    /// Who takes the mail, tried in this order; never empty.
    pub servers: Vec<Relay>,
    /// How to log in; `None` when nobody does.
    pub login: Option<Login>,
    /// Transport security.
    pub tls: Tls,
    /// The way to the servers.
    pub reach: Reach,
    /// Whom to ask for mail exchangers and services.
    pub dns: Dns,
    /// Port of mail exchangers: 25, but for tests.
    pub mx_port: u16,
    /// Whether policies of the recipients' domains are kept to.
    pub mta_sts: MtaSts,
    /// Port of the web servers that have them: 443, but for tests.
    pub mta_sts_port: u16,
    /// Patterns of sender addresses that choose this account.
    pub from: Vec<Pattern>,
    /// Which addresses of the sender become others.
    pub identity: Identity,
    /// The name given with EHLO; `None` takes the machine's, or an address literal.
    pub hostname: Option<String>,
    /// What unqualified addresses get after the `@`.
    pub mail_domain: String,
    /// Where its mailboxes are.
    pub mailboxes: Mailboxes,
    /// The file of names that stand for other recipients; `None` when names are not looked up.
    pub aliases: Option<PathBuf>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Most recipients in one transaction.
    pub max_recipients: usize,
    /// Most servers that get a message at the same time, where its recipients have several; at least 1.
    pub max_sessions: usize,
    /// Largest message in octets that this account takes, before any server is asked.
    pub max_size: Option<u64>,
    /// What happens when the server refuses some of the recipients.
    pub partial: Partial,
    /// What happens to 8-bit content when the server has no 8BITMIME.
    pub eight_bit: EightBit,
    /// What happens to lines of more than 998 octets.
    pub long_lines: LongLines,
    /// What an 8-bit body is called that says nothing of itself and is not UTF-8.
    pub charset: String,
    /// What the sender wishes of notifications when the arguments say nothing else. It has no identifier.
    pub dsn: Dsn,
    /// Whether messages go out in chunks.
    pub chunking: Chunking,
    /// The file with what is remembered of servers; `None` when nothing is.
    pub state_file: Option<PathBuf>,
    /// What becomes of what sessions with mail exchangers tell of TLS.
    pub tls_reports: TlsReports,
    /// How messages are signed; `None` when they are not.
    pub dkim: Option<Dkim>,
    /// Where the line for each recipient and attempt goes.
    pub log: Log,
    /// What the servers shall take for their client. No key sets it, an option does.
    pub xclient: Vec<ClientAttribute>,
}

/// The usual file of aliases, which need not be there.
pub const ALIASES: &str = "/etc/aliases";

impl Account {
    /// The same account with the exchangers of the recipients' domains in the place of its servers, where nobody logs in.
    #[must_use]
    pub fn direct(self) -> Self {
        Account { servers: vec![Relay::Exchangers], login: None, ..self }
    }

    /// The address that mail of this account comes from when nobody names one: the first `from` pattern that is
    /// a whole address.
    pub fn default_sender(&self) -> Option<&str> {
        self.from.iter().find(|pattern| pattern.is_address()).map(Pattern::as_str)
    }

    /// The deadlines with one of its servers. At port 465 the server waits for our TLS (RFC 8314 section 3.3): who
    /// wrote a scheme with STARTTLS there would wait minutes for a greeting, and without a word.
    pub fn timeouts_with(&self, server: &Server) -> Timeouts {
        let mute = server.scheme != Scheme::Submissions
            && matches!(server.endpoint, Endpoint::Tcp { port: SUBMISSIONS_PORT, .. });
        let greeting = if mute { MUTE } else { None };
        Timeouts { greeting: self.timeouts.command.or(greeting), ..self.timeouts.clone() }
    }
}

/// The port of submission with TLS from the first octet (RFC 8314 section 3.3).
const SUBMISSIONS_PORT: u16 = 465;
/// A server that greets in clear text there does it at once.
const MUTE: Option<Duration> = Some(Duration::from_secs(20));

/// A sender address, or a pattern with `*` for any run of characters: `alice@example.org`, `*@example.org`,
/// `@example.org` (the same), `alice+*@example.org`, `*@*.example.org`.
///
/// Domains are compared without regard to case, local parts octet by octet (RFC 5321 section 2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; `None` when it has no `@`, no domain, blanks or control characters.
    pub fn new(text: &str) -> Option<Self> {
        let (_, domain) = text.rsplit_once('@')?;
        let legal =
            !domain.is_empty() && text.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>,".contains(c));
        legal.then(|| Pattern(text.to_owned()))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one whole address, without a wildcard.
    pub fn is_address(&self) -> bool {
        !self.0.starts_with('@') && !self.0.contains('*')
    }

    /// Whether `sender` is what the pattern means.
    pub fn matches(&self, sender: &str) -> bool {
        let (Some((local, domain)), Some((to, at))) = (self.0.rsplit_once('@'), sender.rsplit_once('@')) else {
            return false;
        };
        let local = if local.is_empty() { "*" } else { local };
        glob(local.as_bytes(), to.as_bytes()) && glob(domain.to_lowercase().as_bytes(), at.to_lowercase().as_bytes())
    }
}

/// Whether `text` is `pattern` with something in the place of each `*`. It goes back to the last `*` only, so that
/// it takes no more than the product of both lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (p, t) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|octet| *octet == b'*')
}

/// One server: what a `server` URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Who logs in there, where that is not the user of the account's login.
    pub user: Option<String>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// On the network.
    Tcp {
        /// Its name or address.
        host: Host,
        /// TCP port.
        port: u16,
    },
    /// On a Unix socket of this machine, at this path.
    Unix(PathBuf),
}

impl Server {
    /// The host, of a server on the network.
    pub fn host(&self) -> Option<&Host> {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => Some(host),
            Endpoint::Unix(_) => None,
        }
    }

    /// Whether the server is this machine, so that nobody between here and there can listen. What is loopback for a
    /// proxy is elsewhere.
    pub fn is_here(&self, via: &Via) -> bool {
        match (&self.endpoint, via) {
            (Endpoint::Tcp { host, .. }, Via::Directly) => host.is_loopback(),
            (Endpoint::Tcp { .. }, Via::Proxy(_) | Via::Command(_)) => false,
            (Endpoint::Unix(_), _) => true,
        }
    }
}

/// The server as a person knows it: `host:port`, or the path of a socket.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { host: Host::Name(name), port } => write!(f, "{name}:{port}"),
            Endpoint::Tcp { host: Host::Address(address), port } => SocketAddr::new(*address, *port).fmt(f),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The scheme of a `server` URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `submissions://`: TLS from the first octet, port 465 (RFC 8314 section 3.3).
    Submissions,
    /// `submission://`: STARTTLS, port 587 (RFC 6409).
    Submission,
    /// `smtp://`: STARTTLS, port 25, or a socket.
    Smtp,
    /// `lmtp://`: LMTP with STARTTLS, port 24, or a socket (RFC 2033).
    Lmtp,
}

/// A host as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A domain name in ASCII, lower case, without a trailing dot.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Whether it is this machine, by its name (RFC 6761 section 6.3) or address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

/// Who logs in, with what.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name (authentication identity). Empty only with EXTERNAL alone.
    pub user: String,
    /// Where the password or the access token comes from. Nothing only with EXTERNAL alone.
    pub secret: Option<Secret>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether clear text is allowed.
    pub policy: TlsPolicy,
    /// The same for servers on a socket of this machine.
    pub on_sockets: TlsPolicy,
    /// The same for mail exchangers.
    pub on_exchangers: TlsPolicy,
    /// By what the certificate is judged.
    pub proof: Proof,
    /// Which authorities are trusted.
    pub roots: TlsRoots,
    /// SHA-256 of acceptable public keys (SubjectPublicKeyInfo); when not empty, one must match and the
    /// chain of the certificate is not looked at.
    pub pins: Vec<[u8; 32]>,
    /// The name to check instead of the server's.
    pub server_name: Option<String>,
    /// Lists of revoked certificates (PEM or DER): the server's is looked for in that of its issuer.
    pub revoked: Option<NamedFile>,
    /// Certificate chain of the client (PEM).
    pub cert: Option<NamedFile>,
    /// Key of the client (PEM).
    pub key: Option<NamedFile>,
    /// Lowest version.
    pub min: TlsVersion,
}

impl Tls {
    /// Whether clear text is allowed with this server.
    pub fn policy_for(&self, server: &Server) -> TlsPolicy {
        match server.endpoint {
            Endpoint::Tcp { .. } => self.policy,
            Endpoint::Unix(_) => self.on_sockets,
        }
    }
}

/// The `tls` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// No message and no secret without TLS and a checked certificate. The default on the network.
    Required,
    /// TLS where the server offers it, any certificate, else clear text; never with a password.
    Opportunistic,
    /// Clear text. The default on a socket.
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
    File(NamedFile),
}

/// A file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The file.
    pub path: PathBuf,
    /// Where the setting stands, for people: `config.toml:3:15`, or a variable.
    pub place: String,
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
    /// When given, for the greeting.
    pub greeting: Option<Duration>,
    /// The body has 10 minutes plus its size divided by this many octets a second; 1024 by default.
    pub min_rate: u64,
}

/// Where the mailboxes of the mail domain are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailboxes {
    /// A setting names the domain, so they are where the server brings its mail.
    Elsewhere,
    /// It is what the machine is called for want of a setting.
    Unknown,
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

/// The `chunking` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// BDAT where DATA cannot carry the message. The default.
    Auto,
    /// Always DATA.
    Never,
    /// BDAT where the server has it.
    Always,
    /// The same, and a small message together with MAIL and RCPT.
    SameFlight,
}

/// Signatures (RFC 6376).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// Domains that are signed for, with all below them, in ASCII. None: the domain of whoever a message is from.
    pub domains: Vec<String>,
    /// Keys, each for a signature of its own; at least one.
    pub keys: Vec<DkimKey>,
    /// What happens to a message that cannot be signed.
    pub unsigned: Unsigned,
}

/// A key for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimKey {
    /// Where its record is: below `_domainkey` of the domain.
    pub selector: String,
    /// The file with the private key.
    pub file: PathBuf,
}

/// The `dkim-unsigned` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// It is sent without a signature, and a person is told. The default.
    Send,
    /// It is refused.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_means_an_address_a_domain_or_a_part_of_one() {
        let table = [
            ("alice@example.org", "alice@example.org", true),
            ("alice@example.org", "alice@EXAMPLE.org", true),
            ("alice@Example.org", "alice@example.ORG", true),
            ("alice@example.org", "Alice@example.org", false),
            ("alice@example.org", "malice@example.org", false),
            ("*@example.org", "bob@example.org", true),
            ("@example.org", "bob@example.org", true),
            ("@example.org", "bob@sub.example.org", false),
            ("*@*.example.org", "bob@sub.example.org", true),
            ("*@*.example.org", "bob@example.org", false),
            ("alice+*@example.org", "alice+lists@example.org", true),
            ("alice+*@example.org", "alice@example.org", false),
            ("*a*b@example.org", "xaxxaxb@example.org", true),
            ("*@example.org", "Postmaster", false),
        ];
        for (pattern, sender, expected) in table {
            let matches = Pattern::new(pattern).unwrap().matches(sender);
            assert_eq!(matches, expected, "{pattern} {sender}");
        }
    }

    #[test]
    fn pattern_needs_a_domain_and_no_blanks() {
        for text in ["", "alice", "alice@", "alice @example.org", "<alice@example.org>", "a@b\n", "a@b,c@d"] {
            assert_eq!(Pattern::new(text), None, "{text:?}");
        }
    }
}
