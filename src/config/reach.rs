//! How the servers of an account are reached: straight, or by way of something else.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use secrecy::SecretString;

use super::account::Host;

/// The way to servers on the network. Sockets of this machine need none.
#[derive(Clone, Debug)]
pub struct Reach {
    /// By way of what.
    pub via: Via,
    /// Which addresses may be used.
    pub family: Family,
    /// Addresses of this machine to connect from, at most one of each family. When there is one, addresses of another
    /// family are not tried.
    pub sources: Vec<IpAddr>,
}

/// What stands between here and the servers.
#[derive(Clone, Debug)]
pub enum Via {
    /// Nothing.
    Directly,
    /// A proxy.
    Proxy(Proxy),
    /// A command that connects: see [`command_for`].
    Command(String),
}

/// The `ip` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6.
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// The `proxy` key.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Where it is.
    pub host: Host,
    /// TCP port.
    pub port: u16,
    /// Who logs in to it.
    pub login: Option<ProxyLogin>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// SOCKS 5 (RFC 1928).
    Socks5,
    /// HTTP with CONNECT (RFC 9110 section 9.3.6).
    Http,
}

/// A user of a proxy: at most 255 octets for the name and the password each, and no colon in the name.
#[derive(Clone, Debug)]
pub struct ProxyLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl Reach {
    /// Whether an address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let family = match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        family && (self.sources.is_empty() || self.source(address).is_some())
    }

    /// The address of this machine from which to connect to another, where that matters.
    pub fn source(&self, address: IpAddr) -> Option<IpAddr> {
        self.sources.iter().copied().find(|source| source.is_ipv4() == address.is_ipv4())
    }
}

/// The URL without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Socks5 => "socks5",
            ProxyKind::Http => "http",
        };
        match &self.host {
            Host::Name(name) => write!(f, "{scheme}://{name}:{}", self.port),
            Host::Address(address) => write!(f, "{scheme}://{}", SocketAddr::new(*address, self.port)),
        }
    }
}

/// The value of `proxy-command` for one server: `%h` is its host, `%p` its port, and `%%` a percent sign. A host has no
/// character that a shell would take for its own.
pub fn command_for(line: &str, host: &Host, port: u16) -> String {
    let mut parts = line.split('%');
    let mut command = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        let rest = match part.as_bytes().first() {
            Some(b'h') => {
                match host {
                    Host::Name(name) => command.push_str(name),
                    Host::Address(address) => command.push_str(&address.to_string()),
                }
                &part[1..]
            }
            Some(b'p') => {
                command.push_str(&port.to_string());
                &part[1..]
            }
            // An empty part stands between two percent signs, and what follows is as it is.
            _ => {
                command.push('%');
                if part.is_empty() { parts.next().unwrap_or_default() } else { part }
            }
        };
        command.push_str(rest);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_has_host_and_port_filled_in() {
        let name = Host::Name("mail.example.org".to_owned());
        for (line, command) in [
            ("ssh -W %h:%p relay", "ssh -W mail.example.org:25 relay"),
            ("ssh relay sendmail -bs", "ssh relay sendmail -bs"),
            ("printf '%%s %%%h%%' %p%h", "printf '%s %mail.example.org%' 25mail.example.org"),
            ("%%h %%%%p", "%h %%p"),
        ] {
            assert_eq!(command_for(line, &name, 25), command, "{line}");
        }
        assert_eq!(command_for("nc %h %p", &Host::Address("::1".parse().unwrap()), 587), "nc ::1 587");
    }
}
