//! The values of delivery status notifications (RFC 3461 section 4), and xtext, in which they are written.

use std::str::FromStr;

use crate::address::Address;

/// When a notification is wanted (RFC 3461 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// In no case.
    Never,
    /// In these cases; not empty, none twice.
    On(Vec<Occasion>),
}

/// A case in which a notification is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The message was delivered.
    Success,
    /// It was not and will not be.
    Failure,
    /// It was not yet.
    Delay,
}

/// What of the message a notification brings back (RFC 3461 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// All of it.
    Full,
    /// The header.
    Headers,
}

/// What notifications call the message (RFC 3461 section 4.4): printable ASCII, in xtext 1 to 100 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeId(String);

/// A text is no wish that RFC 3461 knows; it says what would be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSuchWish(pub(super) &'static str);

/// Most octets of ENVID (RFC 3461 section 4.4).
const ENVELOPE_ID_LIMIT: usize = 100;

/// Most octets of ORCPT (RFC 3461 section 4.2).
const ORIGINAL_RECIPIENT_LIMIT: usize = 500;

impl Notify {
    /// The value of NOTIFY.
    pub fn value(&self) -> String {
        match self {
            Notify::Never => "NEVER".to_owned(),
            Notify::On(occasions) => occasions.iter().map(|occasion| occasion.word()).collect::<Vec<_>>().join(","),
        }
    }
}

impl FromStr for Notify {
    type Err = NoSuchWish;

    /// Reads `never` or a list of `success`, `failure` and `delay`, in any case.
    fn from_str(text: &str) -> Result<Self, NoSuchWish> {
        const WISH: NoSuchWish = NoSuchWish("it is never, or a list of success, failure and delay");
        if text.trim().eq_ignore_ascii_case("never") {
            return Ok(Notify::Never);
        }
        let mut occasions = Vec::new();
        for word in text.split(',').map(str::trim) {
            let known = [Occasion::Success, Occasion::Failure, Occasion::Delay];
            let named = known.into_iter().find(|occasion| occasion.word().eq_ignore_ascii_case(word));
            let occasion = named.ok_or(WISH)?;
            if !occasions.contains(&occasion) {
                occasions.push(occasion);
            }
        }
        Ok(Notify::On(occasions))
    }
}

impl Occasion {
    fn word(self) -> &'static str {
        match self {
            Occasion::Success => "SUCCESS",
            Occasion::Failure => "FAILURE",
            Occasion::Delay => "DELAY",
        }
    }
}

impl Returned {
    /// The value of RET.
    pub fn value(self) -> &'static str {
        match self {
            Returned::Full => "FULL",
            Returned::Headers => "HDRS",
        }
    }
}

impl FromStr for Returned {
    type Err = NoSuchWish;

    /// Reads `full` or `hdrs`, in any case.
    fn from_str(text: &str) -> Result<Self, NoSuchWish> {
        let known = [Returned::Full, Returned::Headers];
        let named = known.into_iter().find(|part| part.value().eq_ignore_ascii_case(text.trim()));
        named.ok_or(NoSuchWish("it is full or hdrs"))
    }
}

impl EnvelopeId {
    /// The value of ENVID.
    pub fn value(&self) -> String {
        xtext(&self.0)
    }

    /// The identifier as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EnvelopeId {
    /// Reads the value of ENVID. `None` where it is none.
    pub fn from_xtext(value: &str) -> Option<Self> {
        plain(value)?.parse().ok()
    }
}

impl FromStr for EnvelopeId {
    type Err = NoSuchWish;

    fn from_str(text: &str) -> Result<Self, NoSuchWish> {
        let printable = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        match printable && (1..=ENVELOPE_ID_LIMIT).contains(&xtext(text).len()) {
            true => Ok(EnvelopeId(text.to_owned())),
            false => {
                Err(NoSuchWish("it is 1 to 100 printable characters of ASCII, of which + = and blanks count three"))
            }
        }
    }
}

/// How characters outside ASCII are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf8 {
    /// As they are, for a server with SMTPUTF8.
    Native,
    /// By their numbers.
    Escaped,
}

/// Whom a message was first sent to: type and address (RFC 3461 section 4.2, RFC 6533 section 3), 500 octets at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8` or another atom.
    kind: String,
    /// In xtext, or in what RFC 6533 has for `utf-8`, where characters outside ASCII may stand as they are.
    address: String,
}

impl OriginalRecipient {
    /// A recipient whose address nobody has changed. `None` where it would be too long.
    pub fn of(address: &Address) -> Option<Self> {
        let (kind, address) = match address.is_ascii() {
            true => ("rfc822", xtext(address.as_str())),
            false => ("utf-8", utf8_address(address.as_str())),
        };
        OriginalRecipient { kind: kind.to_owned(), address }.within_limit()
    }

    /// Reads the value of ORCPT. `None` where it is none.
    pub fn parse(value: &str) -> Option<Self> {
        let (kind, address) = value.split_once(';')?;
        let is_atom = !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        let is_utf8 = kind.eq_ignore_ascii_case("utf-8");
        let is_visible = |c: char| c.is_ascii_graphic() || (is_utf8 && !c.is_ascii() && !c.is_control());
        let is_address =
            !address.is_empty() && address.chars().all(is_visible) && (is_utf8 || plain(address).is_some());
        (is_atom && is_address)
            .then(|| OriginalRecipient { kind: kind.to_owned(), address: address.to_owned() })?
            .within_limit()
    }

    fn within_limit(self) -> Option<Self> {
        (self.value(Utf8::Escaped).len() <= ORIGINAL_RECIPIENT_LIMIT).then_some(self)
    }

    /// The value of ORCPT.
    pub fn value(&self, utf8: Utf8) -> String {
        let OriginalRecipient { kind, address } = self;
        match utf8 {
            Utf8::Native => format!("{kind};{address}"),
            Utf8::Escaped => {
                let escaped = |c: char| if c.is_ascii() { c.to_string() } else { by_number(c) };
                format!("{kind};{}", address.chars().map(escaped).collect::<String>())
            }
        }
    }
}

fn utf8_address(text: &str) -> String {
    let stays = |c: char| !c.is_ascii() || (c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\'));
    text.chars().map(|c| if stays(c) { c.to_string() } else { by_number(c) }).collect()
}

fn by_number(c: char) -> String {
    format!("\\x{{{:X}}}", u32::from(c))
}

/// A text in xtext (RFC 3461 section 4): all but visible ASCII, `+` and `=` in hexadecimal.
pub fn xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'+' | b'=' => encoded.push_str(&format!("+{octet:02X}")),
            b'!'..=b'~' => encoded.push(char::from(octet)),
            _ => encoded.push_str(&format!("+{octet:02X}")),
        }
    }
    encoded
}

/// What a text in xtext says; `None` where it is none, or says something that is not UTF-8.
fn plain(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => {
                let mut digit = || rest.next().filter(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
                let (high, low) = (char::from(digit()?), char::from(digit()?));
                (high.to_digit(16)? * 16 + low.to_digit(16)?) as u8
            }
            b'=' => return None,
            octet if octet.is_ascii_graphic() => octet,
            _ => return None,
        });
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-273
    #[test]
    fn xtext_leaves_visible_ascii_but_for_two_characters() {
        assert_eq!(xtext("a+b=c d"), "a+2Bb+3Dc+20d");
        assert_eq!(xtext("\u{7f}~!\t"), "+7F~!+09");
        assert_eq!(xtext("k\u{f8}"), "k+C3+B8");
    }

    /// P-272
    #[test]
    fn words_of_wishes_are_read_in_any_case() {
        let notify = |text: &str| text.parse::<Notify>().map(|notify| notify.value());
        assert_eq!(notify("Never").as_deref(), Ok("NEVER"));
        assert_eq!(notify("delay, success,DELAY").as_deref(), Ok("DELAY,SUCCESS"));
        for bad in ["", "never,success", "success,", "sometimes", "success delay"] {
            assert!(notify(bad).is_err(), "{bad:?}");
        }
        assert_eq!("HDRS".parse(), Ok(Returned::Headers));
        assert_eq!("full".parse(), Ok(Returned::Full));
        assert!("half".parse::<Returned>().is_err());
    }

    /// P-275: the limit is on what is sent, where a plus has three octets.
    #[test]
    fn envelope_identifiers_are_short_and_printable() {
        let value = |text: &str| text.parse::<EnvelopeId>().ok().map(|id| id.value());
        assert_eq!(value("a+b 1").as_deref(), Some("a+2Bb+201"));
        assert_eq!(value(&"x".repeat(100)), Some("x".repeat(100)));
        assert_eq!(value(&"+".repeat(33)).map(|value| value.len()), Some(99));
        for bad in [String::new(), "x".repeat(101), "+".repeat(34), "k\u{f8}".to_owned(), "a\tb".to_owned()] {
            assert_eq!(value(&bad), None, "{bad:?}");
        }
    }

    /// P-274
    #[test]
    fn the_original_recipient_is_the_recipient() {
        let value = |text: &str| Some(OriginalRecipient::of(&Address::parse(text).unwrap())?.value(Utf8::Native));
        assert_eq!(value("user+tag@example.com").as_deref(), Some("rfc822;user+2Btag@example.com"));
        assert_eq!(value("\"a b\"@example.com").as_deref(), Some("rfc822;\"a+20b\"@example.com"));
        assert_eq!(value(&format!("{}@example.com", "x".repeat(600))), None);
    }

    /// P-292
    #[test]
    fn an_original_recipient_outside_ascii_is_escaped_unless_the_server_has_smtputf8() {
        let value = |utf8| {
            OriginalRecipient::of(&Address::parse("\"\u{3b4}+ =\\\\\"@example.com").unwrap()).unwrap().value(utf8)
        };
        assert_eq!(value(Utf8::Native), "utf-8;\"\u{3b4}\\x{2B}\\x{20}\\x{3D}\\x{5C}\\x{5C}\"@example.com");
        assert_eq!(value(Utf8::Escaped), "utf-8;\"\\x{3B4}\\x{2B}\\x{20}\\x{3D}\\x{5C}\\x{5C}\"@example.com");
    }

    /// P-273 P-274 P-292
    #[test]
    fn what_a_client_says_of_the_original_is_passed_on() {
        for (value, escaped) in [
            ("rfc822;user+2Btag@example.com", Some("rfc822;user+2Btag@example.com")),
            ("x400;a+3Db", Some("x400;a+3Db")),
            ("utf-8;\u{3b4}\\x{3B4}@example.com", Some("utf-8;\\x{3B4}\\x{3B4}@example.com")),
            ("rfc822;user+2btag@example.com", None),
            ("rfc822;a=b", None),
            ("rfc822;\u{3b4}", None),
            ("rfc822;", None),
            ("user@example.com", None),
            ("a b;c", None),
        ] {
            let read = OriginalRecipient::parse(value).map(|original| original.value(Utf8::Escaped));
            assert_eq!(read.as_deref(), escaped, "{value}");
        }
        assert_eq!(EnvelopeId::from_xtext("a+2Bb").unwrap().as_str(), "a+b");
        assert!(EnvelopeId::from_xtext("a+2b").is_none() && EnvelopeId::from_xtext("+0A").is_none());
    }
}
