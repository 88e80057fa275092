//! Who takes the mail: what one entry of the key `server` says.

use std::fmt;

use super::account::{Scheme, Server};
use super::url::scheme_name;

/// Who takes the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    /// A server.
    Server(Server),
    /// The servers of a domain, by its SRV records.
    Service(Service),
    /// The mail exchangers of each recipient's domain: `mx:`.
    Exchangers,
}

/// The servers that a domain names for submission (RFC 6186, RFC 8314 section 5.1): `submissions://example.org?srv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `submissions` or `submission`. Both are under TLS.
    pub scheme: Scheme,
    /// Whose servers.
    pub domain: String,
    /// Who logs in there, where that is not the user of the account's login.
    pub user: Option<String>,
    /// Names to which the user has consented: this one and all below it. Their certificates count, too.
    pub consent: Option<String>,
}

impl Service {
    /// The name that is looked up.
    pub fn record(&self) -> String {
        format!("_{}._tcp.{}", scheme_name(self.scheme), self.domain)
    }
}

/// Whether a host is a domain or in it.
pub fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// As a person knows it: `host:port`, the path of a socket, the name of a service, or `mx:`.
impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relay::Server(server) => server.fmt(f),
            Relay::Service(service) => f.write_str(&service.record()),
            Relay::Exchangers => f.write_str("mx:"),
        }
    }
}
