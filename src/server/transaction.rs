//! The envelope as a server hears it: MAIL and RCPT with their parameters (RFC 5321 section 4.1.1).

use serde::{Serialize, Serializer};

use super::action::Security;
use super::answer::Answer;
use super::options::{Extension, Options, Paths};
use super::wishes::{Wish, look};
use crate::address::parse_list;

/// What MAIL and RCPT said of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// The reverse-path; empty for `<>`.
    pub sender: Path,
    /// Those that got 250, in order, as often as they came.
    pub recipients: Vec<Recipient>,
    /// SIZE (RFC 1870): what the client said, which need not be true.
    pub declared_size: Option<u64>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: Option<Body>,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: Utf8,
    /// RET (RFC 3461 section 4.3).
    pub ret: Option<Return>,
    /// ENVID (RFC 3461 section 4.4), in xtext as it came.
    pub envid: Option<String>,
    /// AUTH (RFC 4954 section 5), in xtext as it came; `<>` when the client vouches for nobody.
    pub auth: Option<String>,
    /// BY (RFC 2852), HOLDFOR and HOLDUNTIL (RFC 4865), MT-PRIORITY (RFC 6710) and REQUIRETLS (RFC 8689), with their
    /// values as they came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<String>,
}

/// What RCPT said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// The forward-path.
    pub address: Path,
    /// NOTIFY (RFC 3461 section 4.1) as it came.
    pub notify: Option<String>,
    /// ORCPT (RFC 3461 section 4.2) as it came: a type, a semicolon, xtext.
    pub orcpt: Option<String>,
}

/// The text between the angle brackets, a source route taken away: at most 512 octets of UTF-8 without control
/// characters. It is not looked at more closely than that, and may lack a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

/// The values of BODY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Body {
    /// `7BIT`.
    #[serde(rename = "7BIT")]
    SevenBit,
    /// `8BITMIME`.
    #[serde(rename = "8BITMIME")]
    EightBitMime,
    /// `BINARYMIME` (RFC 3030 section 3).
    #[serde(rename = "BINARYMIME")]
    BinaryMime,
}

/// Whether MAIL had SMTPUTF8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf8 {
    /// It had not: addresses are ASCII.
    No,
    /// It had.
    Yes,
}

/// The values of RET.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Return {
    /// `FULL`: the message.
    Full,
    /// `HDRS`: its header.
    Hdrs,
}

impl Path {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`, or all of it.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for Utf8 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self == Utf8::Yes)
    }
}

/// The parameters that may stand behind an address; none after HELO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    Offered,
    None,
}

impl Transaction {
    /// Reads what stands behind `MAIL FROM:`.
    pub(super) fn mail(
        argument: &str,
        allowed: Parameters,
        options: &Options,
        security: Security,
    ) -> Result<Self, Answer> {
        let (path, rest) = path(argument).map_err(|text| Answer::new(501, 1, 7, text))?;
        check_usable(&path, options).map_err(|text| Answer::new(501, 1, 7, text))?;
        let mut transaction = Transaction {
            sender: path,
            recipients: Vec::new(),
            declared_size: None,
            body: None,
            smtputf8: Utf8::No,
            ret: None,
            envid: None,
            auth: None,
            wishes: Vec::new(),
        };
        for (key, value) in parameters(rest, allowed)? {
            let value = value.as_deref();
            match key.as_str() {
                "SIZE" if options.offers(Extension::Size) => {
                    let size = value.and_then(size).ok_or_else(|| bad("SIZE"))?;
                    if size > options.max_size {
                        return Err(too_big(options));
                    }
                    transaction.declared_size = Some(size);
                }
                "BODY" if options.offers(Extension::EightBitMime) => {
                    transaction.body = Some(match value.map(str::to_ascii_uppercase).as_deref() {
                        Some("7BIT") => Body::SevenBit,
                        Some("8BITMIME") => Body::EightBitMime,
                        Some("BINARYMIME") if options.offers(Extension::BinaryMime) => Body::BinaryMime,
                        _ => return Err(bad("BODY")),
                    });
                }
                "SMTPUTF8" if options.offers(Extension::SmtpUtf8) && value.is_none() => {
                    transaction.smtputf8 = Utf8::Yes;
                }
                "RET" if options.offers(Extension::Dsn) => {
                    transaction.ret = Some(match value.map(str::to_ascii_uppercase).as_deref() {
                        Some("FULL") => Return::Full,
                        Some("HDRS") => Return::Hdrs,
                        _ => return Err(bad("RET")),
                    });
                }
                "ENVID" if options.offers(Extension::Dsn) => {
                    let envid = value.filter(|value| is_xtext(value) && value.len() <= 100);
                    transaction.envid = Some(envid.ok_or_else(|| bad("ENVID"))?.to_owned());
                }
                "AUTH" if !options.login.mechanisms().is_empty() => {
                    let auth = value.filter(|value| *value == "<>" || is_xtext(value) && value.len() <= 500);
                    transaction.auth = Some(auth.ok_or_else(|| bad("AUTH"))?.to_owned());
                }
                _ => match look(&key, value, options, security) {
                    Wish::Offered => {
                        let value = value.map(|value| format!("={value}")).unwrap_or_default();
                        transaction.wishes.push(format!("{key}{value}"));
                    }
                    Wish::Malformed => return Err(bad(&key)),
                    Wish::Unknown => return Err(unknown()),
                },
            }
        }
        check_charset(&transaction.sender, transaction.smtputf8)?;
        Ok(transaction)
    }

    /// Reads what stands behind `RCPT TO:`; the caller adds what comes back.
    pub(super) fn rcpt(&self, argument: &str, allowed: Parameters, options: &Options) -> Result<Recipient, Answer> {
        let (address, rest) = path(argument).map_err(|text| Answer::new(501, 1, 3, text))?;
        if address.0.is_empty() {
            return Err(Answer::new(501, 1, 3, "a recipient cannot be empty"));
        }
        check_usable(&address, options).map_err(|text| Answer::new(501, 1, 3, text))?;
        let mut recipient = Recipient { address, notify: None, orcpt: None };
        for (key, value) in parameters(rest, allowed)? {
            match (key.as_str(), value) {
                ("NOTIFY", Some(value)) if options.offers(Extension::Dsn) => {
                    recipient.notify = Some(Some(value).filter(|value| is_notify(value)).ok_or_else(|| bad("NOTIFY"))?);
                }
                ("ORCPT", Some(value)) if options.offers(Extension::Dsn) => {
                    recipient.orcpt = Some(Some(value).filter(|value| is_orcpt(value)).ok_or_else(|| bad("ORCPT"))?);
                }
                ("NOTIFY" | "ORCPT", None) => return Err(bad(&key)),
                _ => return Err(unknown()),
            }
        }
        check_charset(&recipient.address, self.smtputf8)?;
        Ok(recipient)
    }
}

/// Whether a path is one address, or none at all, where it must be.
fn check_usable(path: &Path, options: &Options) -> Result<(), String> {
    if options.paths == Paths::Any || path.0.is_empty() {
        return Ok(());
    }
    let text = match parse_list(&path.0, ANY_DOMAIN) {
        Ok(list) if list.len() == 1 => return Ok(()),
        Ok(_) => "this is not one address".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect())
}

/// For names without a domain, where it is only asked whether they can have one.
const ANY_DOMAIN: &str = "domain.invalid";

/// The reply to a message that is too large, told or found out.
pub(super) fn too_big(options: &Options) -> Answer {
    Answer::new(552, 3, 4, format!("the message is larger than {} octets", options.max_size))
}

fn bad(key: &str) -> Answer {
    Answer::new(501, 5, 4, format!("{key} has a value that it cannot have"))
}

fn unknown() -> Answer {
    Answer::new(555, 5, 4, "there is a parameter that was not offered")
}

/// The path in angle brackets at the beginning, and what stands behind it. Spaces before it are borne.
fn path(argument: &str) -> Result<(Path, &str), &'static str> {
    let inner = argument.trim_start_matches(' ').strip_prefix('<').ok_or("the address must stand in angle brackets")?;
    let end = closing_bracket(inner).ok_or("the closing angle bracket is missing")?;
    let (path, rest) = (&inner[..end], &inner[end + 1..]);
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err("a space is missing behind the address");
    }
    // A source route is ignored (RFC 5321 section 4.1.1.3).
    let path = match path.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or("the address has no local part")?.1,
        None => path,
    };
    if path.len() > LONGEST_PATH {
        return Err("the address is too long");
    }
    match path.rsplit_once('@') {
        Some(("", _)) => Err("the address has no local part"),
        Some((_, "")) => Err("the address has no domain"),
        _ => Ok((Path(path.to_owned()), rest)),
    }
}

/// Where the `>` stands that is in no quoted string.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Keys in upper case with their values; each key at most once.
fn parameters(text: &str, allowed: Parameters) -> Result<Vec<(String, Option<String>)>, Answer> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if allowed == Parameters::None {
            return Err(unknown());
        }
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (word, None),
        };
        let key = key.to_ascii_uppercase();
        if found.iter().any(|(other, _)| *other == key) {
            return Err(Answer::new(501, 5, 4, "a parameter comes twice"));
        }
        found.push((key, value));
    }
    Ok(found)
}

/// At most twenty digits (RFC 1870 section 4); a number that fits nowhere counts as the largest.
fn size(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.len() <= 20 && value.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

fn check_charset(path: &Path, utf8: Utf8) -> Result<(), Answer> {
    if utf8 == Utf8::No && !path.0.is_ascii() {
        return Err(Answer::new(553, 6, 7, "an address that is not ASCII needs SMTPUTF8"));
    }
    Ok(())
}

/// RFC 3461 section 4.
fn is_xtext(value: &str) -> bool {
    let octets = value.as_bytes();
    !octets.is_empty()
        && octets.iter().enumerate().all(|(at, octet)| match octet {
            b'+' => {
                octets.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(|h| matches!(h, b'0'..=b'9' | b'A'..=b'F')))
            }
            b'=' => false,
            octet => octet.is_ascii_graphic(),
        })
}

fn is_notify(value: &str) -> bool {
    let value = value.to_ascii_uppercase();
    value == "NEVER"
        || value.len() <= 28 && value.split(',').all(|word| matches!(word, "SUCCESS" | "FAILURE" | "DELAY"))
}

/// `type;xtext`, or for `utf-8` what RFC 6533 section 3 allows there.
fn is_orcpt(value: &str) -> bool {
    let Some((kind, address)) = value.split_once(';') else { return false };
    let kind_is_atom = !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let utf8 = kind.eq_ignore_ascii_case("utf-8") && !address.is_empty() && !address.chars().any(char::is_control);
    value.len() <= 500 && kind_is_atom && (utf8 || is_xtext(address))
}

/// In octets. RFC 5321 section 4.5.3.1.3 has 256; longer ones exist.
const LONGEST_PATH: usize = 512;
