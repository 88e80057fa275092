//! The values of posthaste's own flags, as given.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::submission::{Dsn, Submission};
use crate::envelope::{ClientAttribute, DeliverBy, Hold, Priority, Way};
use crate::smtp::question::Verb;
use crate::tlsrpt::Day;

/// A message in the making: `posthaste send`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// `--from`; unparsed, as are all addresses here.
    pub from: Option<String>,
    /// `--to`, each a list of addresses. One of `to`, `cc` and `bcc` is not empty.
    pub to: Vec<String>,
    /// `--cc`.
    pub cc: Vec<String>,
    /// `--bcc`: recipients that the header does not name.
    pub bcc: Vec<String>,
    /// `--reply-to`.
    pub reply_to: Vec<String>,
    /// `--envelope-from`: the reverse-path where it is not the address of `from`; empty or `<>` is the null one.
    pub envelope_from: Option<String>,
    /// `--subject`.
    pub subject: Option<String>,
    /// `--body`, `--body-file`, or stdin.
    pub body: Body,
    /// `--html`, `--html-file`.
    pub html: Option<Text>,
    /// `--attach`, in the order given.
    pub attachments: Vec<NamedFile>,
    /// `--inline`; the name is the content identifier (RFC 2392).
    pub inline: Vec<NamedFile>,
    /// `--header`, in the order given.
    pub headers: Vec<HeaderField>,
    /// `--dsn-notify`, `--dsn-return` and `--dsn-envid`.
    pub dsn: Dsn,
    /// `--deliver-by`.
    pub deliver_by: Option<DeliverBy>,
    /// `--hold-for` or `--hold-until`.
    pub hold: Option<Hold>,
    /// `--mt-priority`.
    pub priority: Option<Priority>,
    /// `--require-tls`.
    pub way: Way,
    /// `--xclient`.
    pub xclient: Vec<ClientAttribute>,
    /// `--direct`.
    pub servers: Servers,
    /// `--dry-run`.
    pub action: SendAction,
    /// `--json`.
    pub format: Format,
}

/// Messages from files, with recipients from their headers: `send --batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Messages, mbox files and Maildirs; at least one.
    pub files: Vec<PathBuf>,
    /// `--envelope-from`, as in [`Send`].
    pub envelope_from: Option<String>,
    /// `--dsn-notify` and `--dsn-return`.
    pub dsn: Dsn,
    /// `--require-tls`.
    pub way: Way,
    /// `--direct`.
    pub servers: Servers,
}

/// Who takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// Those of the account.
    OfAccount,
    /// The mail exchangers of the recipients' domains.
    Exchangers,
}

/// Where the plain text of a message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// From a flag, or from stdin where none is given.
    Given(Text),
    /// There is none, because there is HTML.
    Absent,
}

/// A text, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The text itself.
    Literal(String),
    /// In a file.
    File(PathBuf),
    /// On stdin.
    Stdin,
}

/// What `send` does with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendAction {
    /// Submits it.
    Submit,
    /// Prints envelope and message, and connects to nobody.
    Print,
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// JSON, one object a line.
    Json,
}

/// A file, and what it is called in the message: `PATH` or `NAME=PATH`. The name ends at the first `=`, unless a
/// slash comes before: `./a=b.txt` is a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The name given, or the last component of the path. It is not empty and holds no control character.
    pub name: String,
    /// Where the file is.
    pub path: PathBuf,
}

/// A field for the header: `Name: value`. The name is in the characters of RFC 5322 section 3.6.8, and the value
/// holds no control character but the tab, so that a field cannot smuggle another one in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// The name without the colon.
    pub name: String,
    /// The value, without blanks at its ends.
    pub value: String,
}

/// `posthaste check`; which account is in [`super::Global`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `--xclient`.
    pub xclient: Vec<ClientAttribute>,
    /// `--json`.
    pub format: Format,
}

/// `posthaste rewrite`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The call of sendmail that is looked at.
    pub submission: Submission,
    /// `--explain`.
    pub output: RewriteOutput,
}

/// What `rewrite` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteOutput {
    /// The message as it would be sent.
    Message,
    /// What would be changed, and by which rule.
    Changes,
}

/// `posthaste route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Recipients, each a list of addresses; at least one.
    pub recipients: Vec<String>,
    /// `--direct`.
    pub servers: Servers,
    /// `--json`.
    pub format: Format,
}

/// `posthaste vrfy`, `expn`, `etrn` and `server-help`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is asked.
    pub verb: Verb,
    /// About what, one by one; one that is empty for the whole help.
    pub about: Vec<String>,
}

/// `posthaste tlsrpt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsReport {
    /// `--day`; yesterday where none is given.
    pub day: Option<Day>,
    /// `--domain`, unparsed; all where none is given.
    pub domain: Option<String>,
    /// What is printed.
    pub form: TlsReportForm,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReportForm {
    /// JSON, one report a line.
    Json,
    /// `--message`: the message with one report.
    Message,
    /// `--mbox`: all messages.
    Mbox,
}

/// `posthaste dkim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dkim {
    /// Make a key.
    KeyGen {
        /// Where it is stored. The file must not be there.
        file: PathBuf,
        /// What it is called.
        name: KeyName,
        /// Of what kind it is.
        kind: KeyType,
    },
    /// Print the record of a key.
    Record {
        /// The private key.
        file: PathBuf,
        /// What it is called.
        name: KeyName,
    },
    /// Print the records of the account's keys.
    AccountRecords,
}

/// Where the record of a key is; unparsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// `--selector`.
    pub selector: String,
    /// `--domain`.
    pub domain: String,
}

/// `--type` and `--bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA.
    Rsa {
        /// 2048, 3072 or 4096.
        bits: u32,
    },
    /// Ed25519.
    Ed25519,
}

/// `posthaste sink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// `--listen`: clear text, with STARTTLS.
    pub listen: SocketAddr,
    /// `--tls-listen`: TLS from the first octet.
    pub tls_listen: Option<SocketAddr>,
    /// `--maildir`: where messages are stored; `None` prints them.
    pub maildir: Option<PathBuf>,
    /// `--json`.
    pub format: Format,
    /// `--user` and `--password-file`: the login that is demanded; `None` takes any, and mail without.
    pub login: Option<SinkLogin>,
    /// `--lmtp`.
    pub protocol: SinkProtocol,
    /// `--require-tls`.
    pub tls: SinkTls,
    /// `--ca-file`: where the certificate of its authority is written.
    pub ca_file: Option<PathBuf>,
    /// `--max-size`, in octets.
    pub max_size: Option<u64>,
    /// `--faults`.
    pub faults: SinkFaults,
    /// `--count`: how many messages to take before the end.
    pub count: Option<NonZeroU64>,
}

/// Whether addresses can ask a sink for trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFaults {
    /// Every address is like any other.
    Off,
    /// Local parts such as `refuse-550` and `defer-451` do.
    ByLocalPart,
}

/// The login that a sink demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkLogin {
    /// The user name.
    pub user: String,
    /// The file whose first line is the password.
    pub password_file: PathBuf,
}

/// What a sink speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkProtocol {
    /// SMTP.
    Smtp,
    /// LMTP.
    Lmtp,
}

/// Whether a sink takes mail in clear text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkTls {
    /// It does, and offers STARTTLS.
    Offered,
    /// It does not.
    Required,
}

/// A shell with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// Fish.
    Fish,
}

/// Why a value cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

impl FromStr for NamedFile {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Self, Unusable> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if !name.contains('/') => (Some(name), Path::new(path)),
            _ => (None, Path::new(text)),
        };
        let name = name.or_else(|| path.file_name()?.to_str()).unwrap_or_default();
        if path.as_os_str().is_empty() || name.trim().is_empty() {
            return Err(Unusable("a file is expected, as PATH or NAME=PATH".to_owned()));
        }
        if name.contains(char::is_control) {
            return Err(Unusable("the name holds a control character; give another one as NAME=PATH".to_owned()));
        }
        Ok(NamedFile { name: name.to_owned(), path: path.to_owned() })
    }
}

/// Fields that have a flag of their own, or that follow from the content.
const RESERVED: &[(&str, &str)] = &[
    ("From", "use --from"),
    ("To", "use --to"),
    ("Cc", "use --cc"),
    ("Bcc", "use --bcc"),
    ("Reply-To", "use --reply-to"),
    ("Subject", "use --subject"),
    ("MIME-Version", "it is added"),
    ("Content-Type", "it follows from the content"),
    ("Content-Transfer-Encoding", "it follows from the content"),
];

impl FromStr for HeaderField {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Self, Unusable> {
        let Some((name, value)) = text.split_once(':') else {
            return Err(Unusable("there is no colon; a field is written 'Name: value'".to_owned()));
        };
        let (name, value) = (name.trim_end(), value.trim());
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Unusable("the name of a field is visible ASCII without blanks".to_owned()));
        }
        if value.contains(|character: char| character.is_control() && character != '\t') {
            return Err(Unusable("a field holds no line break and no other control character".to_owned()));
        }
        if let Some((known, instead)) = RESERVED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(Unusable(format!("{known} cannot be set with --header: {instead}")));
        }
        Ok(HeaderField { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Reads `ADDRESS:PORT`, or a port alone, which means loopback.
///
/// # Errors
/// [`Unusable`] for anything else. A name other than `localhost` would have to be looked up.
pub fn listen_address(text: &str) -> Result<SocketAddr, Unusable> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>() {
        Ok(port) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => Err(Unusable("an address and a port are expected, as 127.0.0.1:2525 or [::1]:2525".to_owned())),
    }
}

/// Reads a number of octets, with `K`, `M` or `G` behind it for powers of 1024.
///
/// # Errors
/// [`Unusable`] for anything else, and for numbers that no file can have.
pub fn size(text: &str) -> Result<u64, Unusable> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let size = digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse::<u64>().ok());
    size.flatten()
        .and_then(|size| size.checked_mul(factor))
        .ok_or_else(|| Unusable("octets are expected, as 1000000, 500K, 25M or 1G".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Option<(String, PathBuf)> {
        text.parse::<NamedFile>().ok().map(|file| (file.name, file.path))
    }

    #[test]
    fn a_file_is_called_what_its_path_ends_in_unless_a_name_is_given() {
        assert_eq!(file("out/report.pdf"), Some(("report.pdf".into(), "out/report.pdf".into())));
        assert_eq!(file("Report.pdf=out/r1=2.pdf"), Some(("Report.pdf".into(), "out/r1=2.pdf".into())));
        assert_eq!(file("./a=b.txt"), Some(("a=b.txt".into(), "./a=b.txt".into())));
        for bad in ["", "=x", "x=", "/", "..", "a\nb=x", "out/a\rb"] {
            assert_eq!(file(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_header_field_cannot_bring_a_second_one() {
        for bad in ["X-A: b\nBcc: c@x.test", "X-A: b\r\n c", "X A: b", "X\u{e9}: b", ": b", "X-A", "bcc : b", "X: \0"] {
            assert!(bad.parse::<HeaderField>().is_err(), "{bad:?}");
        }
        let field = "X-Mailer : a: b ".parse::<HeaderField>().expect("a field");
        assert_eq!((field.name.as_str(), field.value.as_str()), ("X-Mailer", "a: b"));
    }

    #[test]
    fn a_port_alone_is_on_loopback() {
        assert_eq!(listen_address("2525"), Ok(SocketAddr::from(([127, 0, 0, 1], 2525))));
        assert_eq!(listen_address("localhost:25"), Ok(SocketAddr::from(([127, 0, 0, 1], 25))));
        assert_eq!(listen_address("0.0.0.0:25"), Ok(SocketAddr::from(([0, 0, 0, 0], 25))));
        assert!(listen_address("mail.example.org:25").is_err());
        assert!(listen_address("65536").is_err());
    }

    #[test]
    fn sizes_have_suffixes_and_do_not_overflow() {
        assert_eq!(size("25M"), Ok(25 << 20));
        assert_eq!(size("17"), Ok(17));
        for bad in ["", "M", "-1", "+1", "1 M", "1T", "99999999999G"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }
}
