//! The URL of a server.

use std::borrow::Cow;
use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::account::{Endpoint, Host, Relay, Scheme, Server, Service};
use super::suggest::nearest;
use super::value::{Fault, quoted};
use crate::address::to_ascii;

/// What a `server` URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// The user of it is not set.
    pub relay: Relay,
    pub user: Option<String>,
}

/// Reads `SCHEME://[USER@]HOST[:PORT]`, `SCHEME://[USER@]/PATH` for a socket of this machine, `SCHEME://[USER@]DOMAIN?srv`
/// for the servers that a domain names, or `mx:`. The last `@` ends the user name, which may be percent-encoded (RFC 3986).
/// A password is refused: URLs end up in logs. No message of an error repeats what stands before the last `@`.
pub(super) fn parse(text: &str) -> Result<Url, Fault> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("mx:") {
        return Ok(Url { relay: Relay::Exchangers, user: None });
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme_named(scheme)?, rest),
        None => return Err(no_scheme(text)),
    };
    if let Some((user, path)) = socket(rest) {
        let user = user.map(user_named).transpose()?;
        let endpoint = Endpoint::Unix(socket_path(scheme, path)?);
        return Ok(Url { relay: Relay::Server(Server { scheme, endpoint, user: None }), user });
    }
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, rest),
    };
    let user = user.map(user_named).transpose()?;
    if let Some((domain, consent)) = place.split_once("?srv") {
        return Ok(Url { relay: Relay::Service(service(scheme, domain, consent)?), user });
    }
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains(['/', '?', '#']) {
        return Err(Fault::new("a server URL ends with the host or the port")
            .help(format!("Write it as {}://USER@HOST:PORT.", scheme_name(scheme))));
    }
    let (host, port) = split_port(place)?;
    let port = port.unwrap_or(default_port(scheme));
    if (scheme, port) == (Scheme::Lmtp, 25) {
        return Err(Fault::new("LMTP is never spoken on port 25 (RFC 2033 section 5)")
            .help("Write the port of the server's LMTP, often 24; or smtp:// if it speaks SMTP."));
    }
    Ok(Url { relay: Relay::Server(Server { scheme, endpoint: Endpoint::Tcp { host, port }, user: None }), user })
}

/// The servers of a domain. Behind `?srv=` stands a name to which the user consents.
fn service(scheme: Scheme, domain: &str, consent: &str) -> Result<Service, Fault> {
    if !matches!(scheme, Scheme::Submissions | Scheme::Submission) {
        return Err(Fault::new(format!("{}:// has no SRV records", scheme_name(scheme)))
            .help("Write submissions://DOMAIN?srv or submission://DOMAIN?srv; mx: is for mail exchangers."));
    }
    let name = |text: &str| match host(text)? {
        Host::Name(name) => Ok(name),
        Host::Address(_) => {
            Err(Fault::new(format!("{} is an address, and only domains have SRV records", quoted(text))))
        }
    };
    let consent = match (consent, consent.strip_prefix('=')) {
        ("", _) => None,
        (_, Some(consent)) => Some(name(consent)?),
        _ => return Err(Fault::new("behind `?srv` only `=NAME` may follow")),
    };
    Ok(Service { scheme, domain: name(domain.strip_suffix('/').unwrap_or(domain))?, user: None, consent })
}

/// User and path of a URL without a host. An `@` in the path is a part of it.
fn socket(rest: &str) -> Option<(Option<&str>, &str)> {
    if rest.starts_with('/') {
        return Some((None, rest));
    }
    let at = rest.find("@/")?;
    Some((Some(&rest[..at]), &rest[at + 1..]))
}

fn socket_path(scheme: Scheme, path: &str) -> Result<PathBuf, Fault> {
    if !matches!(scheme, Scheme::Smtp | Scheme::Lmtp) {
        let name = scheme_name(scheme);
        return Err(Fault::new(format!("{name}:// is no scheme for a socket of this machine"))
            .help("Write smtp:///path or lmtp:///path; with a host, two slashes stand before it."));
    }
    let octets = decoded(path)?;
    if octets.len() > LONGEST_PATH || octets.contains(&0) || octets.ends_with(b"/") {
        return Err(Fault::new(format!("{} is not the path of a socket", quoted(path)))
            .help(format!("It has {LONGEST_PATH} octets at most.")));
    }
    Ok(PathBuf::from(OsString::from_vec(octets)))
}

/// Reads a host name or an address. The name becomes lower case and loses a dot at its end.
pub(super) fn host(text: &str) -> Result<Host, Fault> {
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(address));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(Fault::new("the host is missing"));
    }
    let ascii = match name.is_ascii() {
        true => None,
        false => Some(
            to_ascii(name.as_bytes())
                .ok_or_else(|| Fault::new(format!("the host {} is no internationalised domain name", quoted(name))))?,
        ),
    };
    let name = ascii.as_deref().unwrap_or(name);
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
    if name.len() > 253 || number || !name.split('.').all(legal) {
        return Err(Fault::new(format!("{} is neither a host name nor an address", quoted(name))));
    }
    Ok(Host::Name(name.to_ascii_lowercase()))
}

/// The scheme as it is written.
pub(super) fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Submissions => "submissions",
        Scheme::Submission => "submission",
        Scheme::Smtp => "smtp",
        Scheme::Lmtp => "lmtp",
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Submissions => 465,
        Scheme::Submission => 587,
        Scheme::Smtp => 25,
        // No port is registered for LMTP; this one is for "any private mail system", and most servers listen there.
        Scheme::Lmtp => 24,
    }
}

fn scheme_named(text: &str) -> Result<Scheme, Fault> {
    let name = text.to_ascii_lowercase();
    if let Some(scheme) = SCHEMES.into_iter().find(|scheme| scheme_name(*scheme) == name) {
        return Ok(scheme);
    }
    if name == "mx" {
        return Err(Fault::new("the exchangers of the recipients' domains are written `mx:`, and nothing behind it"));
    }
    let near = match FOREIGN.iter().find(|(foreign, _)| *foreign == name) {
        Some((_, scheme)) => Some(*scheme),
        None => nearest(&name, SCHEMES.map(scheme_name)),
    };
    let fault = Fault::new(format!("{} is no scheme of a server URL", quoted(text)));
    Err(fault.help(match near {
        Some(near) => format!("Did you mean `{near}://`?"),
        None => CHOICE.to_owned(),
    }))
}

fn no_scheme(text: &str) -> Fault {
    if text.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("mx")) {
        return Fault::new("the exchangers of the recipients' domains are written `mx:`, and nothing behind it");
    }
    let fault = Fault::new("a server URL begins with a scheme");
    // Whatever has a colon before the last `@` may hold a password, and is not repeated.
    let (user, place) = text.rsplit_once('@').map_or((None, text), |(user, place)| (Some(user), place));
    let Ok((host, port)) = split_port(place) else {
        return fault.help(CHOICE);
    };
    let scheme = match port {
        Some(25) => Scheme::Smtp,
        Some(587) => Scheme::Submission,
        _ => Scheme::Submissions,
    };
    let host = match host {
        Host::Name(name) => name,
        Host::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        Host::Address(address) => address.to_string(),
    };
    let user = match user {
        Some(user) if user.contains(':') || user.is_empty() => Cow::Borrowed("USER@"),
        Some(user) => Cow::Owned(format!("{}@", quoted(user).trim_matches('`'))),
        None => Cow::Borrowed(""),
    };
    let port = match port {
        Some(port) if port != default_port(scheme) => format!(":{port}"),
        _ => String::new(),
    };
    fault.help(format!("Did you mean \"{}://{user}{host}{port}\"?", scheme_name(scheme)))
}

fn user_named(text: &str) -> Result<String, Fault> {
    if text.contains(':') {
        return Err(Fault::new("a server URL must not hold a password").help(
            "Leave the user alone in the URL, and set `password-command` or `password-file`; a colon in the name \
             itself is written %3A.",
        ));
    }
    match String::from_utf8(decoded(text)?) {
        Ok(user) if user.is_empty() => Err(Fault::new("the user before the `@` is missing")),
        Ok(user) if !user.chars().any(char::is_control) => Ok(user),
        _ => Err(Fault::new("the user in the URL is not plain UTF-8 text")),
    }
}

/// Takes percent-encoding out (RFC 3986 section 2.1).
pub(super) fn decoded(text: &str) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digit = |octet: Option<u8>| octet.and_then(|octet| char::from(octet).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => octets.push((high * 16 + low) as u8),
            _ => {
                return Err(Fault::new("the URL has a `%` that two hexadecimal digits must follow")
                    .help("Write %25 for a percent sign."));
            }
        }
    }
    Ok(octets)
}

pub(super) fn split_port(place: &str) -> Result<(Host, Option<u16>), Fault> {
    if let Some(rest) = place.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else {
            return Err(Fault::new("the `]` behind the IPv6 address is missing"));
        };
        let address: Ipv6Addr =
            address.parse().map_err(|_| Fault::new(format!("{} is not an IPv6 address", quoted(address))))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port_number(port)?),
            None if rest.is_empty() => None,
            None => return Err(Fault::new("only a `:` and a port may follow the address in brackets")),
        };
        return Ok((Host::Address(address.into()), port));
    }
    if place.parse::<Ipv6Addr>().is_ok() || place.matches(':').count() > 1 {
        return Err(Fault::new("an IPv6 address in a URL stands in brackets")
            .help("Write it as [2001:db8::1] or [2001:db8::1]:587."));
    }
    match place.split_once(':') {
        Some((name, port)) => Ok((host(name)?, Some(port_number(port)?))),
        None => Ok((host(place)?, None)),
    }
}

pub(super) fn port_number(text: &str) -> Result<u16, Fault> {
    match text.parse() {
        Ok(port) if port > 0 && text.bytes().all(|octet| octet.is_ascii_digit()) => Ok(port),
        _ => Err(Fault::new("the port is not a number from 1 to 65535")),
    }
}

/// Octets that the path of a socket may have: the least of all systems (`sun_path`) less the NUL at its end.
const LONGEST_PATH: usize = 103;
const SCHEMES: [Scheme; 4] = [Scheme::Submissions, Scheme::Submission, Scheme::Smtp, Scheme::Lmtp];
/// Schemes of other programs, and what they mean here.
const FOREIGN: [(&str, &str); 6] = [
    ("smtps", "submissions"),
    ("ssmtp", "submissions"),
    ("smtp+ssl", "submissions"),
    ("smtp+tls", "submission"),
    ("smtp+starttls", "submission"),
    ("starttls", "submission"),
];
const CHOICE: &str = "Write submissions:// (TLS, port 465), submission:// (STARTTLS, port 587) or smtp:// (port 25).";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Scheme, String, u16, Option<String>) {
        let url = parse(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.message));
        let Relay::Server(server) = url.relay else { panic!("{text}") };
        let (host, port) = match server.endpoint {
            Endpoint::Tcp { host: Host::Name(name), port } => (name, port),
            Endpoint::Tcp { host: Host::Address(address), port } => (format!("address {address}"), port),
            Endpoint::Unix(path) => (format!("socket {}", path.display()), 0),
        };
        (server.scheme, host, port, url.user)
    }

    /// P-129: 587 for STARTTLS, 465 for TLS from the first octet, 25 only where it is written.
    #[test]
    fn url_names_scheme_host_port_and_user() {
        use Scheme::{Lmtp, Smtp, Submission, Submissions};
        let table = [
            ("submissions://smtp.example.org", Submissions, "smtp.example.org", 465, None),
            ("submissions://alice@smtp.example.org", Submissions, "smtp.example.org", 465, Some("alice")),
            ("submission://alice@smtp.example.org", Submission, "smtp.example.org", 587, Some("alice")),
            ("smtp://localhost", Smtp, "localhost", 25, None),
            ("smtp://relay.example.org:2525/", Smtp, "relay.example.org", 2525, None),
            ("SUBMISSIONS://SMTP.Example.ORG.", Submissions, "smtp.example.org", 465, None),
            ("submissions://alice%40example.org@a.example", Submissions, "a.example", 465, Some("alice@example.org")),
            ("submissions://alice@example.org@a.example", Submissions, "a.example", 465, Some("alice@example.org")),
            ("submissions://DOM%5Calice@a.example:466", Submissions, "a.example", 466, Some("DOM\\alice")),
            ("submissions://a%3Ab%25@a.example", Submissions, "a.example", 465, Some("a:b%")),
            ("submissions://j%C3%B6rg@a.example", Submissions, "a.example", 465, Some("jörg")),
            ("smtp://127.0.0.1:1025", Smtp, "address 127.0.0.1", 1025, None),
            ("smtp://[::1]", Smtp, "address ::1", 25, None),
            ("submission://bob@[2001:db8::1]:588", Submission, "address 2001:db8::1", 588, Some("bob")),
            ("lmtp://bob@a.example:2424", Lmtp, "a.example", 2424, Some("bob")),
            ("lmtp://a.example", Lmtp, "a.example", 24, None),
            ("lmtp:///run/dovecot/lmtp", Lmtp, "socket /run/dovecot/lmtp", 0, None),
            ("LMTP:///run/a%20b/x@y:z.sock", Lmtp, "socket /run/a b/x@y:z.sock", 0, None),
            ("smtp://al%40x@/run/smtp@0.sock", Smtp, "socket /run/smtp@0.sock", 0, Some("al@x")),
        ];
        for (text, scheme, host, port, user) in table {
            assert_eq!(read(text), (scheme, host.to_owned(), port, user.map(str::to_owned)), "{text}");
        }
    }

    /// P-285: what DNS is asked for is in ASCII.
    #[test]
    fn internationalised_hosts_are_known_by_their_ascii_form() {
        assert_eq!(host("smtp.Jürgen.example").unwrap(), Host::Name("smtp.xn--jrgen-kva.example".to_owned()));
        let fault = host("jürgen..example").unwrap_err();
        assert!(fault.message.contains("no internationalised domain name"), "{}", fault.message);
    }

    #[test]
    fn wrong_url_is_told_what_was_probably_meant() {
        let table = [
            ("smtps://a.example", "`smtps` is no scheme of a server URL", "Did you mean `submissions://`?"),
            ("submision://a.example", "`submision` is no scheme of a server URL", "Did you mean `submission://`?"),
            ("http://a.example", "`http` is no scheme of a server URL", CHOICE),
            (
                "smtp.example.org",
                "a server URL begins with a scheme",
                "Did you mean \"submissions://smtp.example.org\"?",
            ),
            ("a.example:587", "a server URL begins with a scheme", "Did you mean \"submission://a.example\"?"),
            ("al@a.example:25", "a server URL begins with a scheme", "Did you mean \"smtp://al@a.example\"?"),
            ("a.example:2465", "a server URL begins with a scheme", "Did you mean \"submissions://a.example:2465\"?"),
            ("al:pw@a.example", "a server URL begins with a scheme", "Did you mean \"submissions://USER@a.example\"?"),
            ("smtp://a.example?srv", "smtp:// has no SRV records", "submissions://DOMAIN?srv"),
            ("lmtp:/run/lmtp.sock", "a server URL begins with a scheme", CHOICE),
            ("lmpt:///run/lmtp.sock", "`lmpt` is no scheme of a server URL", "Did you mean `lmtp://`?"),
            (
                "submissions:///run/x",
                "submissions:// is no scheme for a socket of this machine",
                "smtp:///path or lmtp:///path",
            ),
            ("smtp://::1", "an IPv6 address in a URL stands in brackets", "[2001:db8::1]:587"),
            ("smtp://al:pw@a.example", "a server URL must not hold a password", "`password-command`"),
            ("smtp://a.example/x", "a server URL ends with the host or the port", "smtp://USER@HOST:PORT"),
        ];
        for (text, message, help) in table {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.message, message, "{text}");
            assert!(fault.help.as_deref().unwrap_or("").contains(help), "{text}: {:?}", fault.help);
        }
    }

    /// P-307: port 25 is for SMTP.
    #[test]
    fn lmtp_is_never_on_port_25() {
        assert!(parse("lmtp://a.example:25").unwrap_err().message.contains("never spoken on port 25"));
        assert!(parse("lmtp://a.example:2525").is_ok());
    }

    /// P-304: mail leaves by SMTP and LMTP, and not through a mailbox protocol (XTND XMIT of POP3).
    #[test]
    fn protocols_of_mailboxes_send_nothing() {
        for scheme in ["pop3", "pop3s", "pop", "imap", "imaps", "xtnd"] {
            let fault = parse(&format!("{scheme}://alice@a.example")).unwrap_err();
            assert_eq!(fault.message, format!("`{scheme}` is no scheme of a server URL"));
        }
    }

    #[test]
    fn url_may_name_a_domain_or_nobody() {
        assert_eq!(parse(" MX: ").unwrap(), Url { relay: Relay::Exchangers, user: None });
        let service = |scheme, consent: Option<&str>| {
            let consent = consent.map(str::to_owned);
            Relay::Service(Service { scheme, domain: "example.org".to_owned(), user: None, consent })
        };
        for (text, relay, user) in [
            ("submissions://Example.org?srv", service(Scheme::Submissions, None), None),
            ("submission://al@example.org/?srv", service(Scheme::Submission, None), Some("al")),
            ("submissions://al@x@example.org?srv=A.test.", service(Scheme::Submissions, Some("a.test")), Some("al@x")),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((url.relay, url.user.as_deref()), (relay, user), "{text}");
        }
        for text in [
            "mx:example.org",
            "mx://",
            "submissions://?srv",
            "submissions://a.test:465?srv",
            "submissions://1.2.3.4?srv",
            "submissions://a.test?srv=",
            "submissions://a.test?srv1",
            "submissions://a.test?service",
            "lmtp://a.test?srv",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn url_that_is_nonsense_is_refused() {
        let table = [
            "",
            "smtp://",
            "smtp://@a.example",
            "smtp://a.example:0",
            "smtp://a.example:65536",
            "smtp://a.example:+25",
            "smtp://a.example:",
            "smtp://[::1",
            "smtp://[::1]x",
            "smtp://[fe80::1%25eth0]",
            "smtp://256.1.1.1",
            "smtp://a..example",
            "smtp://a b.example",
            "smtp://-a.example",
            "smtp://a%0@b.example",
            "smtp://a%0d%0a@b.example",
            "smtp://%ff@b.example",
            "smtp://a.example\r\nQUIT",
            "lmtp:///",
            "lmtp:///run/",
            "lmtp:///run/x%00y",
            "lmtp:///run/x%",
            "lmtp://@/run/x",
            "lmtp://al:pw@/run/x",
        ];
        for text in table {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_message_repeats_a_password() {
        for text in [
            "smtp://al:hunter2@a.example",
            "smtp://al:hun/ter2@a.example",
            "smtp://al:hunter2@/run/x",
            "al:hunter2@a.example",
            "smpt://al:hunter2@a",
            "al:hunter2@b@a.example:x",
        ] {
            let fault = parse(text).unwrap_err();
            let all = format!("{} {:?}", fault.message, fault.help);
            assert!(!all.contains("ter2"), "{text}: {all}");
        }
    }
}
