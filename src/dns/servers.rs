//! Who is asked: the servers of the account, or the system's.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, ProtocolConfig, ResolverOpts};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, PoolContext, TlsConfig};

use super::answer::{Answer, Found, Security, address};
use super::error::Reason;
use super::link::{Link, Protocol};
use super::{AT_ONCE, MOST};
use crate::config::account::{Dns, DnsServer, DnsTrust, Tls};
use crate::net::tls;
use crate::system;

/// Those that are asked, and what the hosts file says.
pub(super) struct Servers {
    pub(super) list: Vec<Server>,
    /// How long one of them is waited for.
    pub(super) patience: Duration,
    hosts: Hosts,
}

pub(super) struct Server {
    /// What it is called in an error.
    pub(super) label: String,
    /// Whether its word on DNSSEC counts.
    pub(super) trust: Security,
    pub(super) link: Link,
    health: Cell<Health>,
}

/// What is known of a server by its answers.
#[derive(Clone, Copy, PartialEq)]
enum Health {
    Unknown,
    /// It has answered something. That it is silent on one name says nothing about others.
    Answers,
    /// It was asked, and has never answered.
    Silent,
}

/// A server is waited for at most so long before the next one is asked (resolv.conf(5)).
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the servers are gone through. One that has said no is not asked twice.
pub(super) const ROUNDS: u32 = 2;
/// Servers of the system that are asked; libc takes as many (resolv.conf(5)).
const MOST_SERVERS: usize = 3;
/// MiB that resolv.conf and the hosts file may have.
const LARGEST: u64 = 4;

impl Servers {
    /// Makes ready to ask. Nothing is sent.
    pub(super) fn new(dns: &Dns, tls: &Tls) -> Result<Self, String> {
        let (servers, trusts_ad, hosts) = match dns.servers.as_slice() {
            [] => {
                let (servers, trusts_ad) = of_system(Path::new("/etc/resolv.conf"))?;
                (servers, trusts_ad, hosts_file(Path::new("/etc/hosts")))
            }
            named => (named.to_vec(), false, Hosts::default()),
        };
        let turns = ROUNDS * u32::try_from(servers.len()).unwrap_or(u32::MAX).max(1);
        let patience = PATIENCE.min(dns.timeout / turns);
        let list = servers
            .iter()
            .map(|server| {
                let auto = trusts_ad || server.tls.is_some() || server.address.ip().to_canonical().is_loopback();
                let trust = match dns.trust {
                    DnsTrust::Always => Security::Secure,
                    DnsTrust::Auto if auto => Security::Secure,
                    DnsTrust::Auto | DnsTrust::Never => Security::Insecure,
                };
                Ok(Server {
                    label: server.to_string(),
                    trust,
                    link: link(server, patience, tls)?,
                    health: Cell::new(Health::Unknown),
                })
            })
            .collect::<Result<_, String>>()?;
        Ok(Servers { list, patience, hosts })
    }

    /// In which order they are asked: as they stand, but for those that have never said anything.
    pub(super) fn in_order(&self) -> Vec<&Server> {
        let (silent, others): (Vec<_>, Vec<_>) =
            self.list.iter().partition(|server| server.health.get() == Health::Silent);
        [others, silent].concat()
    }

    /// What the hosts file says of a host; nothing where it is silent.
    pub(super) fn in_hosts_file(&self, host: &str) -> Option<Answer<IpAddr>> {
        let name = Name::from_ascii(host).ok()?;
        let mut records = Vec::new();
        for record in [RecordType::AAAA, RecordType::A] {
            let found = self.hosts.lookup_static_host(&Query::query(name.clone(), record));
            let found = found.iter().flat_map(|lookup| lookup.answers()).filter_map(|record| address(&record.data));
            records.extend(found);
        }
        let found = Found { records, ttl: MOST, security: Security::Insecure, name: host.to_ascii_lowercase() };
        (!found.records.is_empty()).then_some(Answer::Found(found))
    }
}

impl Server {
    /// Takes note of what came of a question, where it was in vain for this reason.
    pub(super) fn has_been_asked(&self, in_vain: Option<&Reason>) {
        match (in_vain, self.health.get()) {
            (Some(Reason::TimedOut), Health::Unknown) => self.health.set(Health::Silent),
            (Some(Reason::TimedOut), _) => {}
            _ => self.health.set(Health::Answers),
        }
        if in_vain == Some(&Reason::TimedOut) {
            self.link.forget();
        }
    }
}

/// The ways to a server.
fn link(server: &DnsServer, patience: Duration, tls: &Tls) -> Result<Link, String> {
    let protocols = match &server.tls {
        None => vec![Protocol::Udp, Protocol::Tcp],
        Some(name) => {
            let mut connection = ConnectionConfig::new(ProtocolConfig::Tls { server_name: name.as_str().into() });
            connection.port = server.address.port();
            let mut options = ResolverOpts::default();
            options.timeout = patience;
            options.max_active_requests = AT_ONCE;
            let config = tls::for_resolver(tls).map_err(|error| error.to_string())?;
            vec![Protocol::Tls(Box::new((connection, PoolContext::new(options, TlsConfig { config }))))]
        }
    };
    Ok(Link::new(server.address, protocols, patience))
}

/// The servers of resolv.conf, and whether it trusts them with DNSSEC. Without the file, or a server in it, libc asks
/// this machine.
fn of_system(path: &Path) -> Result<(Vec<DnsServer>, bool), String> {
    let text = match system::read_file(path, LARGEST) {
        Ok(content) => content.octets,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Default::default(),
        Err(error) => return Err(format!("{}: {}", path.display(), system::words(&error))),
    };
    let text = String::from_utf8_lossy(&text);
    let mut servers: Vec<DnsServer> =
        text.lines().filter_map(named).take(MOST_SERVERS).map(|address| DnsServer { address, tls: None }).collect();
    if servers.is_empty() {
        servers.push(DnsServer { address: (Ipv4Addr::LOCALHOST, 53).into(), tls: None });
    }
    Ok((servers, trusts_ad(&text)))
}

/// The server that a line names. All else in the file, and what is wrong with it, is nothing to us, so that the library's
/// parser, which refuses the whole file for a search list that it does not like, is not the one for it.
fn named(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_ascii_whitespace();
    let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
    match address.parse::<IpAddr>() {
        // That is how some write this machine, and the answer comes from another address.
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Some((Ipv4Addr::LOCALHOST, 53).into()),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => Some((Ipv6Addr::LOCALHOST, 53).into()),
        Ok(address) => Some((address, 53).into()),
        // `fe80::1%eth0` (RFC 4007 section 11): the number of the interface is the system's to say.
        Err(_) => {
            let (before, _) = address.split_once('%')?;
            before.parse::<Ipv6Addr>().ok()?;
            (address, 53).to_socket_addrs().ok()?.next()
        }
    }
}

/// `options trust-ad` (resolv.conf(5)).
fn trusts_ad(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next() == Some("options") && words.any(|word| word == "trust-ad")
    })
}

/// Who has no hosts file, or an unreadable one, has no names in it.
fn hosts_file(path: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    if let Ok(content) = system::read_file(path, LARGEST) {
        let _ = hosts.read_hosts_conf(&content.octets[..]);
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn resolv_conf_names_servers_and_trust() {
        for (text, servers, trust) in [
            ("nameserver 192.0.2.1\n# options trust-ad\n", "192.0.2.1:53", false),
            ("search x\nnameserver ::1\nnameserver 192.0.2.1\noptions edns0 trust-ad\n", "[::1]:53 192.0.2.1:53", true),
            (
                "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n",
                "1.1.1.1:53 1.1.1.2:53 1.1.1.3:53",
                false,
            ),
            ("", "127.0.0.1:53", false),
            ("\u{0}\u{1}nonsense \u{fffd}\n", "127.0.0.1:53", false),
            ("search a..b\u{fffd}\nnameserver 192.0.2.1 # home\nnameserver x\nnameserver\n", "192.0.2.1:53", false),
            ("nameserver 0.0.0.0\nnameserver ::\n;nameserver 192.0.2.1\n", "127.0.0.1:53 [::1]:53", false),
            ("nameserver fe80::1%lo\nnameserver fe80::1%nowhere\nnameserver a%lo", "[fe80::1%1]:53", false),
        ] {
            let (found, trusts) = of_system(file(text).path()).unwrap();
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!((found.join(" ").as_str(), trusts), (servers, trust), "{text}");
        }
        assert_eq!(of_system(Path::new("/nowhere/resolv.conf")).unwrap().0[0].to_string(), "127.0.0.1:53");
    }

    #[test]
    fn hosts_file_comes_before_dns() {
        let hosts = hosts_file(file("127.0.0.9 mx.test Other.test\n::9 mx.test\nnonsense\n").path());
        let servers = Servers { list: Vec::new(), patience: PATIENCE, hosts };
        let Some(Answer::Found(found)) = servers.in_hosts_file("MX.test") else { panic!() };
        assert_eq!(found.records, ["::9".parse::<IpAddr>().unwrap(), "127.0.0.9".parse().unwrap()]);
        assert!(servers.in_hosts_file("third.test").is_none());
    }
}
