//! The values of `proxy` and `proxy-command`.

use secrecy::SecretString;

use super::account::{Proxy, ProxyKind, ProxyLogin};
use super::suggest::nearest;
use super::url::{decoded, split_port};
use super::value::{Fault, quoted};

/// Reads `socks5://[USER:PASSWORD@]HOST[:PORT]` or `http://[USER:PASSWORD@]HOST:PORT`. No message of an error repeats
/// what stands before the last `@`.
pub(super) fn proxy(text: &str) -> Result<Proxy, Fault> {
    let Some((scheme, rest)) = text.trim().split_once("://") else {
        return Err(Fault::new("the URL of a proxy begins with a scheme").help(CHOICE));
    };
    let kind = match scheme.to_ascii_lowercase().as_str() {
        "socks5" => ProxyKind::Socks5,
        "http" => ProxyKind::Http,
        "socks5h" => {
            return Err(Fault::new("`socks5h` is no scheme of a proxy")
                .help("Write socks5://, which leaves names to the proxy here."));
        }
        other => {
            let fault = Fault::new(format!("{} is no scheme of a proxy", quoted(other)));
            return Err(match nearest(other, ["socks5", "http"]) {
                Some(near) => fault.help(format!("Did you mean `{near}://`?")),
                None => fault.help(CHOICE),
            });
        }
    };
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login_of(login)?), place),
        None => (None, rest),
    };
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains(['/', '?', '#']) {
        return Err(Fault::new("the URL of a proxy ends with the host or the port"));
    }
    let (host, port) = split_port(place)?;
    let port = match (port, kind) {
        (Some(port), _) => port,
        (None, ProxyKind::Socks5) => 1080,
        (None, ProxyKind::Http) => {
            return Err(Fault::new("the port of the proxy is missing").help("Often it is 3128 or 8080."));
        }
    };
    Ok(Proxy { kind, host, port, login })
}

/// Reads a command in which `%h` is the host, `%p` the port and `%%` a percent sign.
pub(super) fn command(text: &str) -> Result<String, Fault> {
    let text = super::value::text(text)?;
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        match rest.as_bytes().get(at + 1) {
            Some(b'h' | b'p' | b'%') => rest = &rest[at + 2..],
            _ => {
                return Err(Fault::new("has a `%` that neither h nor p nor another `%` follows")
                    .help("%h is the host, %p the port, and %% a percent sign."));
            }
        }
    }
    Ok(text)
}

fn login_of(text: &str) -> Result<ProxyLogin, Fault> {
    let Some((user, password)) = text.split_once(':') else {
        return Err(Fault::new("the URL of a proxy has a user and no password")
            .help("Write USER:PASSWORD@ before the host; a colon in the user is written %3A."));
    };
    let plain = |text: &str, what: &str| {
        let text = String::from_utf8(decoded(text)?).ok().filter(|text| !text.chars().any(char::is_control));
        match text {
            Some(text) if (1..=LONGEST).contains(&text.len()) => Ok(text),
            _ => Err(Fault::new(format!("the {what} for the proxy is not 1 to {LONGEST} octets of plain UTF-8 text"))),
        }
    };
    let user = plain(user, "user")?;
    if user.contains(':') {
        // Neither of the two ways to log in can say it: Basic has its own colon there.
        return Err(Fault::new("the user for the proxy has a colon in it"));
    }
    Ok(ProxyLogin { user, password: SecretString::from(plain(password, "password")?) })
}

/// Octets of a user or a password (RFC 1929 section 2).
const LONGEST: usize = 255;
const CHOICE: &str = "Write socks5://HOST:PORT or http://HOST:PORT.";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::account::Host;
    use super::*;

    #[test]
    fn proxy_has_a_kind_a_place_and_perhaps_a_login() {
        let read = |text: &str| {
            let proxy = proxy(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.message));
            let login = proxy.login.map(|login| (login.user, login.password.expose_secret().to_owned()));
            (proxy.kind, proxy.host, proxy.port, login)
        };
        let name = |name: &str| Host::Name(name.to_owned());
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(read("socks5://localhost"), (ProxyKind::Socks5, name("localhost"), 1080, None));
        assert_eq!(read("SOCKS5://a.example:9050/"), (ProxyKind::Socks5, name("a.example"), 9050, None));
        assert_eq!(read("http://a.example:3128"), (ProxyKind::Http, name("a.example"), 3128, None));
        let six = Host::Address("2001:db8::1".parse().unwrap());
        assert_eq!(read("http://al:p%3Aw%40@[2001:db8::1]:80"), (ProxyKind::Http, six, 80, login("al", "p:w@")));
        assert_eq!(read("socks5://al:p:w@x@a"), (ProxyKind::Socks5, name("a"), 1080, login("al", "p:w@x")));
    }

    #[test]
    fn no_message_repeats_a_login() {
        for text in [
            "socks5://al:hunter2@",
            "socks5://al:hunter2@a:x",
            "socks5://hunter2@a",
            "https://al:hunter2@a",
            "http://al:hunter2@a",
            "http://al:hunter2%@a:1",
            "al:hunter2@a:1080",
            "socks5://al%3Ahunter2:x@a",
            "socks5://al:hunter2@a/x",
        ] {
            let Err(fault) = proxy(text) else { panic!("{text}") };
            assert!(!format!("{} {:?}", fault.message, fault.help).contains("unter2"), "{text}");
        }
        assert!(proxy(&format!("socks5://al:{}@a", "x".repeat(256))).is_err());
    }

    #[test]
    fn command_knows_host_and_port() {
        assert!(command("ssh -W %h:%p relay").is_ok());
        assert!(command("printf '%%s' %h%p%%").is_ok());
        for text in ["", "ssh -W %H:%p", "ssh %", "a\nb", "100% sure"] {
            assert!(command(text).is_err(), "{text}");
        }
    }
}
