//! What the text of a setting means. Nothing here knows where the text stands.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::account::{Host, Mechanisms, Pattern};
use super::suggest::nearest;
use super::url::{self, host};
use crate::address::to_ascii;

/// Why a value cannot be what it should be. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it, in a sentence.
    pub help: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Fault { help: Some(help.into()), ..self }
    }
}

/// The `auth` key as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// Log in with one of these.
    With(Mechanisms),
    /// Do not log in.
    None,
}

/// Reads any text of one line.
pub(super) fn text(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("contains a control character"));
    }
    Ok(text.to_owned())
}

/// Reads one of a few words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let fault = Fault::new(format!("{} is none of {}", quoted(text), list(words.iter().map(|(word, _)| *word))));
    Err(match nearest(text, words.iter().map(|(word, _)| *word)) {
        Some(near) => fault.help(format!("Did you mean `{near}`?")),
        None => fault,
    })
}

/// Reads a duration: a whole number with `ms`, `s`, `m` or `h`; more than nothing and at most a day.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let (number, unit) = split_unit(text);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if !number.is_empty() => {
            return Err(Fault::new(format!("{} has no unit", quoted(text)))
                .help(format!("Write \"{number}s\" for seconds or \"{number}m\" for minutes.")));
        }
        _ => return Err(Fault::new(format!("{} is not a duration such as \"30s\" or \"5m\"", quoted(text)))),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds)) {
        None => Err(Fault::new(format!("{} is not a duration such as \"30s\" or \"5m\"", quoted(text)))),
        Some(0) => Err(Fault::new("must be more than nothing")),
        Some(ms) if ms > DAY => Err(Fault::new("must be a day (\"24h\") at most")),
        Some(ms) => Ok(Duration::from_millis(ms)),
    }
}

/// Reads a number of octets: a whole number, alone or with `K`, `M` or `G` (powers of 1024).
pub(super) fn size(text: &str) -> Result<u64, Fault> {
    let (number, unit) = split_unit(text);
    let shift = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => Some(0),
        "K" | "k" | "Ki" => Some(10),
        "M" | "Mi" => Some(20),
        "G" | "Gi" => Some(30),
        _ => None,
    };
    let octets = match (number.parse::<u64>(), shift) {
        (Ok(number), Some(shift)) => number.checked_mul(1 << shift),
        _ => None,
    };
    match octets {
        None => Err(Fault::new(format!("{} is not a size such as \"25M\" or \"500K\"", quoted(text)))),
        Some(0) => Err(Fault::new("must be more than nothing")),
        Some(octets) => Ok(octets),
    }
}

/// Reads a count of at least one.
pub(super) fn count(text: &str) -> Result<usize, Fault> {
    match text.parse::<usize>() {
        Ok(0) => Err(Fault::new("must be at least 1")),
        Ok(number) => Ok(number),
        Err(_) => Err(Fault::new(format!("{} is not a whole number such as 100", quoted(text)))),
    }
}

/// Reads how many sessions there may be: each has buffers, and a file descriptor.
pub(super) fn sessions(text: &str) -> Result<usize, Fault> {
    match count(text)? {
        number @ ..=100 => Ok(number),
        _ => Err(Fault::new("must be at most 100")),
    }
}

/// Reads a TCP port.
pub(super) fn port(text: &str) -> Result<u16, Fault> {
    url::port_number(text)
}

/// Reads a pattern for sender addresses.
pub(super) fn pattern(text: &str) -> Result<Pattern, Fault> {
    Pattern::new(text).ok_or_else(|| {
        let fault = Fault::new(format!("{} is no address and no pattern of addresses", quoted(text)));
        let hint = "Write an address such as alice@example.org, or *@example.org for everybody there.";
        match host(text) {
            Ok(Host::Name(name)) if name.contains('.') => fault.help(format!("Write \"@{name}\" for everybody there.")),
            _ => fault.help(hint),
        }
    })
}

/// Reads the SHA-256 of a public key: 64 hexadecimal digits (colons between them are overlooked) or base64, behind
/// `sha256:` or `sha256//` if somebody likes.
pub(super) fn pin(text: &str) -> Result<[u8; 32], Fault> {
    let digest = ["sha256//", "sha256:", "SHA256:"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    from_hex(digest).or_else(|| STANDARD.decode(digest).ok()).and_then(|octets| octets.try_into().ok()).ok_or_else(
        || {
            Fault::new("is not the SHA-256 of a public key: 64 hexadecimal digits, or 44 characters of base64")
                .help("`posthaste check` shows the pin of a server; see posthaste.toml(5).")
        },
    )
}

/// Reads one mechanism, `auto` or `none`.
pub(super) fn auth(text: &str) -> Result<Auth, Fault> {
    match text {
        "auto" => return Ok(Auth::With(Mechanisms::Auto)),
        "none" => return Ok(Auth::None),
        _ => {}
    }
    let name = text.to_ascii_uppercase();
    if MECHANISMS.contains(&name.as_str()) {
        return Ok(Auth::With(Mechanisms::Named(vec![name])));
    }
    if LATER.contains(&name.as_str()) {
        return Err(Fault::new(format!("{name} is not supported yet")).help(format!("Known are {}.", list(MECHANISMS))));
    }
    let words = ["auto", "none"].into_iter().chain(MECHANISMS);
    let fault = Fault::new(format!("{} is none of {}", quoted(text), list(words.clone())));
    Err(match nearest(text, words) {
        Some(near) => fault.help(format!("Did you mean `{near}`?")),
        None => fault,
    })
}

/// Reads a name that a certificate can bear, or an address.
pub(super) fn server_name(text: &str) -> Result<String, Fault> {
    Ok(match host(text)? {
        Host::Name(name) => name,
        Host::Address(address) => address.to_string(),
    })
}

/// Reads an address.
pub(super) fn address(text: &str) -> Result<IpAddr, Fault> {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().map_err(|_| Fault::new(format!("{} is not an IP address", quoted(text))))
}

/// Reads a domain.
pub(super) fn domain(text: &str) -> Result<String, Fault> {
    match host(text.strip_prefix('@').unwrap_or(text))? {
        Host::Name(name) => Ok(name),
        Host::Address(_) => Err(Fault::new(format!("{} is an address and not a domain", quoted(text)))),
    }
}

/// Reads the argument of EHLO: a full name, or an address literal (RFC 5321 section 4.1.3).
pub(super) fn hello(text: &str) -> Result<String, Fault> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let legal = match inner.strip_prefix("IPv6:") {
            Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok(),
            None => inner.parse::<std::net::Ipv4Addr>().is_ok(),
        };
        return match legal {
            true => Ok(text.to_owned()),
            false => Err(Fault::new(format!("{} is not an address literal", quoted(text)))
                .help("Write [192.0.2.1] or [IPv6:2001:db8::1].")),
        };
    }
    let name = match text.is_ascii() {
        true => Cow::Borrowed(text),
        // RFC 6531 section 3.7.1.
        false => to_ascii(text.as_bytes()).map_or(Cow::Borrowed(text), Cow::Owned),
    };
    match crate::system::is_full_name(&name) {
        true => Ok(name.into_owned()),
        false => Err(Fault::new(format!("{} is not a full host name", quoted(text)))
            .help("Servers want a name such as mail.example.org, or an address literal such as [192.0.2.1].")),
    }
}

/// Reads a server URL.
pub(super) fn server(text: &str) -> Result<url::Url, Fault> {
    url::parse(text)
}

/// The text of a value as it may stand in a message: short, and without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Words in backquotes, with commas.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (&text[..digits], text[digits..].trim_start())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    (digits.len() == 64).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Mechanisms that the engine knows, the strongest first.
const MECHANISMS: [&str; 10] = [
    "EXTERNAL",
    "OAUTHBEARER",
    "XOAUTH2",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
];
/// Mechanisms that exist, and that the engine does not know.
const LATER: [&str; 4] = ["SCRAM-SHA-512", "DIGEST-MD5", "GSSAPI", "NTLM"];
/// A day in milliseconds.
const DAY: u64 = 86_400_000;
/// Characters of a wrong value that a message repeats.
const SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_a_unit_and_bounds() {
        let table = [
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("500ms", Some(500)),
            (" 5 m ", Some(300_000)),
            ("24h", Some(DAY)),
            ("25h", None),
            ("0s", None),
            ("30", None),
            ("-5s", None),
            ("1.5m", None),
            ("s", None),
            ("", None),
            ("99999999999999999999h", None),
            ("18446744073709551615h", None),
        ];
        for (text, expected) in table {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
        assert_eq!(duration("30").unwrap_err().help.unwrap(), "Write \"30s\" for seconds or \"30m\" for minutes.");
    }

    #[test]
    fn size_counts_in_powers_of_1024() {
        let table = [
            ("25M", Some(26_214_400)),
            ("25MB", Some(26_214_400)),
            ("1KiB", Some(1024)),
            ("500k", Some(512_000)),
            ("1G", Some(1 << 30)),
            ("1000", Some(1000)),
            ("0", None),
            ("M", None),
            ("25T", None),
            ("99999999999G", None),
        ];
        for (text, expected) in table {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn pin_is_hex_or_base64_of_32_octets() {
        let hex = "ab".repeat(32);
        let base64 = STANDARD.encode([0xab; 32]);
        let colons = vec!["AB"; 32].join(":");
        for text in [hex.clone(), base64.clone(), colons, format!("sha256:{hex}"), format!("sha256//{base64}")] {
            assert_eq!(pin(&text), Ok([0xab; 32]), "{text}");
        }
        for text in ["", "ab", &hex[1..], &format!("{hex}ab"), &base64[1..], &"xy".repeat(32)] {
            assert!(pin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mechanisms_are_those_of_the_engine() {
        use crate::smtp::sasl::Mechanism;
        assert!(MECHANISMS.iter().all(|name| Mechanism::named(name).is_some()));
        assert!(LATER.iter().all(|name| Mechanism::named(name).is_none()));
        assert_eq!(auth("cram-md5"), Ok(Auth::With(Mechanisms::Named(vec!["CRAM-MD5".into()]))));
        assert_eq!(auth("palin").unwrap_err().help.unwrap(), "Did you mean `PLAIN`?");
        assert_eq!(auth("gssapi").unwrap_err().message, "GSSAPI is not supported yet");
    }

    /// P-033 P-036
    #[test]
    fn ehlo_argument_is_a_full_name_or_a_literal() {
        for text in ["mail.example.org", "xn--bcher-kva.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
            assert_eq!(hello(text).as_deref(), Ok(text));
        }
        for text in
            ["laptop", "localhost", "my_host.example.org", "a b.example.org", "[x]", "[::1]", "a.example.org\r\nMAIL"]
        {
            assert!(hello(text).is_err(), "{text}");
        }
        assert_eq!(hello("B\u{fc}cher.example").as_deref(), Ok("xn--bcher-kva.example"));
        assert!(hello("b\u{fc}cher").is_err() && hello("\u{202e}.example").is_err());
    }
}
