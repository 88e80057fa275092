//! Who is asked what the domain name system knows, and what his word is worth.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::account::Host;
use super::url;
use super::value::{Fault, quoted};

/// How names are looked up that are more than a host's: of mail exchangers and services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Who is asked, in this order; nobody when it is whoever the system asks, after its hosts file.
    pub servers: Vec<DnsServer>,
    /// Whose word on DNSSEC is believed.
    pub trust: DnsTrust,
    /// How long one look-up may take, over all servers; 15 seconds by default.
    pub timeout: Duration,
}

/// One server of the `dns` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsServer {
    /// Where it is.
    pub address: SocketAddr,
    /// With DNS over TLS (RFC 7858) the name that its certificate must bear.
    pub tls: Option<String>,
}

/// The `dns-trust` key: whether the AD bit (RFC 4035 section 3.2.3) of an answer says that it was validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsTrust {
    /// From this machine, over TLS, or where resolv.conf has `options trust-ad`. The default.
    Auto,
    /// From every server: the way to it is safe.
    Always,
    /// From none.
    Never,
}

/// The server as it is written, without a port that goes without saying.
impl fmt::Display for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls {
            Some(name) => write!(f, "tls://{}#{name}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Reads `ADDRESS[:PORT]`, or `tls://ADDRESS[:PORT]#NAME` for DNS over TLS. An IPv6 address with a port stands in
/// brackets.
pub(super) fn server(text: &str) -> Result<DnsServer, Fault> {
    let (tls, place) = match text.strip_prefix("tls://") {
        Some(rest) => {
            let (place, name) = rest.split_once('#').ok_or_else(|| {
                Fault::new(format!("{} does not say which name the certificate must bear", quoted(text)))
                    .help("Write it behind the address: \"tls://9.9.9.9#dns.quad9.net\".")
            })?;
            let name = match url::host(name)? {
                Host::Name(name) => name,
                Host::Address(address) => address.to_string(),
            };
            (Some(name), place)
        }
        None => (None, text),
    };
    let port = if tls.is_some() { 853 } else { 53 };
    let address = match place.parse::<Ipv6Addr>() {
        Ok(address) => SocketAddr::new(IpAddr::V6(address), port),
        Err(_) => match url::split_port(place)? {
            (Host::Address(address), given) => SocketAddr::new(address, given.unwrap_or(port)),
            (Host::Name(name), _) => {
                return Err(Fault::new(format!("{} is a name, which nobody could look up", quoted(&name)))
                    .help("Write the address of the DNS server: \"127.0.0.1\" or \"[::1]:5353\"."));
            }
        },
    };
    Ok(DnsServer { address, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_an_address_perhaps_with_a_port_and_a_name() {
        for (text, shown) in [
            ("127.0.0.1", "127.0.0.1:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
            ("tls://9.9.9.9#DNS.quad9.net.", "tls://9.9.9.9:853#dns.quad9.net"),
            ("tls://[2620:fe::fe]:8853#dns.quad9.net", "tls://[2620:fe::fe]:8853#dns.quad9.net"),
            ("tls://192.0.2.1#192.0.2.1", "tls://192.0.2.1:853#192.0.2.1"),
        ] {
            assert_eq!(server(text).unwrap().to_string(), shown, "{text}");
        }
        for text in
            ["", "resolver.example", "tls://9.9.9.9", "tls://9.9.9.9#", "1.2.3.4:0", "1.2.3.4#x", "udp://1.2.3.4"]
        {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
