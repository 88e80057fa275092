//! What a session offers, demands and bears.

use secrecy::SecretString;

use super::action::Security;
use super::login;
use crate::smtp::sasl::{BY_STRENGTH, Mechanism};

/// Holds the rules of a session; one value serves many sessions.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is spoken.
    pub protocol: Protocol,
    /// The name in the greeting, in the reply to EHLO and in challenges.
    pub hostname: String,
    /// What EHLO offers, besides STARTTLS and AUTH.
    pub extensions: Vec<Extension>,
    /// Whether there is STARTTLS.
    pub tls: Tls,
    /// Whether there is AUTH.
    pub login: Login,
    /// The largest message, in octets as they come out of the unstuffing; a larger one gets 552. [`u64::MAX`] is none.
    pub max_size: u64,
    /// The most recipients of one message; the next one gets 452. RFC 5321 section 4.5.3.1.8 asks for 100.
    pub max_recipients: usize,
    /// The longest command line in octets, its end not counted. Lines of AUTH may have 12288 (RFC 4954 section 4).
    pub max_line: usize,
    /// Whether addresses can ask for trouble.
    pub faults: Faults,
    /// What MAIL and RCPT may name.
    pub paths: Paths,
}

/// What MAIL and RCPT may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Anything that has the form of a path.
    Any,
    /// Addresses that can be sent to, with a domain or without. For others there is no way on, and the client learns so
    /// while it can still send to the rest.
    Usable,
}

/// What a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// LMTP (RFC 2033): LHLO, and an answer to the message for each recipient.
    Lmtp,
}

impl Default for Options {
    /// Everything offered and nothing demanded, 1000 recipients, 100 MiB.
    fn default() -> Self {
        Options {
            protocol: Protocol::Smtp,
            hostname: "localhost".to_owned(),
            extensions: Extension::ALL.to_vec(),
            tls: Tls::Offered,
            login: Login::Offered {
                mechanisms: [BY_STRENGTH, &[Mechanism::OAuthBearer, Mechanism::XOAuth2]].concat(),
                credential: Credential::Any,
            },
            max_size: 100 << 20,
            max_recipients: 1000,
            max_line: 4096,
            faults: Faults::Off,
            paths: Paths::Any,
        }
    }
}

impl Options {
    pub(super) fn offers(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    /// The lines of the reply to EHLO, behind the first one.
    pub(super) fn capabilities(&self, security: Security) -> Vec<String> {
        let mut lines: Vec<String> = self
            .extensions
            .iter()
            .filter(|extension| **extension != Extension::RequireTls || security == Security::Tls)
            .map(|extension| match extension {
                Extension::Pipelining => "PIPELINING".to_owned(),
                Extension::Size if self.max_size == u64::MAX => "SIZE".to_owned(),
                Extension::Size => format!("SIZE {}", self.max_size),
                Extension::EightBitMime => "8BITMIME".to_owned(),
                Extension::Chunking => "CHUNKING".to_owned(),
                Extension::BinaryMime => "BINARYMIME".to_owned(),
                Extension::Dsn => "DSN".to_owned(),
                Extension::SmtpUtf8 => "SMTPUTF8".to_owned(),
                Extension::DeliverBy => "DELIVERBY".to_owned(),
                Extension::FutureRelease => "FUTURERELEASE 999999999 9999-12-31T23:59:59Z".to_owned(),
                Extension::MtPriority => "MT-PRIORITY".to_owned(),
                Extension::RequireTls => "REQUIRETLS".to_owned(),
                Extension::Limits => format!("LIMITS RCPTMAX={}", self.max_recipients),
                Extension::EnhancedStatusCodes => "ENHANCEDSTATUSCODES".to_owned(),
                Extension::Help => "HELP".to_owned(),
            })
            .collect();
        if self.tls != Tls::Absent && security == Security::Clear {
            lines.push("STARTTLS".to_owned());
        }
        let mechanisms: Vec<&str> = self.login.mechanisms().iter().map(|mechanism| mechanism.name()).collect();
        if !mechanisms.is_empty() && !self.wants_tls(security) {
            lines.push(format!("AUTH {}", mechanisms.join(" ")));
        }
        lines
    }

    /// The reply to HELP.
    pub(super) fn commands(&self) -> &'static str {
        match (self.tls, &self.login) {
            (Tls::Absent, Login::Absent) => "HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT are served here",
            _ => "HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS AUTH QUIT are served here",
        }
    }

    /// Whether nothing but STARTTLS helps.
    pub(super) fn wants_tls(&self, security: Security) -> bool {
        self.tls == Tls::Required && security == Security::Clear
    }
}

/// A service extension that a session can offer by its keyword alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// RFC 2920.
    Pipelining,
    /// RFC 1870, with [`Options::max_size`].
    Size,
    /// RFC 6152.
    EightBitMime,
    /// RFC 3030 section 2.
    Chunking,
    /// RFC 3030 section 3; of use only with [`Extension::Chunking`].
    BinaryMime,
    /// RFC 3461.
    Dsn,
    /// RFC 6531.
    SmtpUtf8,
    /// RFC 2852.
    DeliverBy,
    /// RFC 4865, without bounds.
    FutureRelease,
    /// RFC 6710.
    MtPriority,
    /// RFC 8689; only under TLS.
    RequireTls,
    /// RFC 9422, with [`Options::max_recipients`].
    Limits,
    /// RFC 2034; without it replies have no enhanced status codes.
    EnhancedStatusCodes,
    /// RFC 5321 section 4.1.1.8.
    Help,
}

impl Extension {
    /// All of them, in the order in which EHLO lists them.
    pub const ALL: [Extension; 14] = [
        Extension::Pipelining,
        Extension::Size,
        Extension::EightBitMime,
        Extension::Chunking,
        Extension::BinaryMime,
        Extension::Dsn,
        Extension::SmtpUtf8,
        Extension::DeliverBy,
        Extension::FutureRelease,
        Extension::MtPriority,
        Extension::RequireTls,
        Extension::Limits,
        Extension::EnhancedStatusCodes,
        Extension::Help,
    ];
}

/// Whether STARTTLS (RFC 3207) is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// No STARTTLS, as on a pipe.
    Absent,
    /// Offered; everything works in the clear too, AUTH included.
    Offered,
    /// In the clear, AUTH is not offered, and AUTH and MAIL get 530.
    Required,
}

/// Whether AUTH (RFC 4954) is to be had.
#[derive(Clone, Debug)]
pub enum Login {
    /// No AUTH.
    Absent,
    /// Who logs in may, and so may who does not.
    Offered {
        /// What EHLO lists, in this order, but for those that are not spoken here.
        mechanisms: Vec<Mechanism>,
        /// Who may log in.
        credential: Credential,
    },
    /// MAIL without a login gets 530.
    Required {
        /// What EHLO lists, in this order, but for those that are not spoken here.
        mechanisms: Vec<Mechanism>,
        /// Who may log in.
        credential: Credential,
    },
}

impl Login {
    /// What EHLO lists: what is wished, as far as it is spoken here.
    pub(super) fn mechanisms(&self) -> Vec<Mechanism> {
        match self {
            Login::Absent => Vec::new(),
            Login::Offered { mechanisms, credential } | Login::Required { mechanisms, credential } => {
                mechanisms.iter().copied().filter(|mechanism| login::speaks(*mechanism, credential)).collect()
            }
        }
    }

    pub(super) fn credential(&self) -> Option<&Credential> {
        match self {
            Login::Absent => None,
            Login::Offered { credential, .. } | Login::Required { credential, .. } => Some(credential),
        }
    }
}

/// Who may log in.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Anybody, with any password; the exchange must still be well-formed.
    Any,
    /// One user.
    Only {
        /// Compared octet by octet.
        user: String,
        /// Compared in a time that does not tell where it differs.
        password: SecretString,
    },
}

/// Whether addresses can ask for trouble, so that a script can be tried against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Every address is like any other.
    Off,
    /// These local parts have a meaning, whatever the domain:
    ///
    /// - `refuse-5NN` and `defer-4NN`: MAIL or RCPT gets this reply code; 421 closes the connection, too.
    /// - `data-refuse-5NN` and `data-defer-4NN`: RCPT gets 250, and the end of data gets the code.
    /// - `drop`: the connection is closed without a reply.
    /// - `data-drop`: the same at the end of data.
    ByLocalPart,
}
