//! Parameters of MAIL for what a sender wishes beyond delivery. A server that keeps what it gets fulfils them all.

use super::action::Security;
use super::options::{Extension, Options};

/// What a parameter is to this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It is a wish, and offered.
    Offered,
    /// It is one, with a value that it cannot have.
    Malformed,
    /// It is none, or none that is offered.
    Unknown,
}

/// Looks at a parameter; its key is in upper case.
pub(super) fn look(key: &str, value: Option<&str>, options: &Options, security: Security) -> Wish {
    let (extension, is_right) = match (key, value) {
        ("BY", value) => (Extension::DeliverBy, value.is_some_and(is_time)),
        ("HOLDFOR", value) => (Extension::FutureRelease, value.is_some_and(|value| is_number(value, 9))),
        ("HOLDUNTIL", value) => (Extension::FutureRelease, value.is_some_and(|value| value.contains('T'))),
        ("MT-PRIORITY", value) => (Extension::MtPriority, value.is_some_and(is_priority)),
        ("REQUIRETLS", value) if security == Security::Tls => (Extension::RequireTls, value.is_none()),
        _ => return Wish::Unknown,
    };
    match options.offers(extension) {
        false => Wish::Unknown,
        true if is_right => Wish::Offered,
        true => Wish::Malformed,
    }
}

/// `seconds;R`, `seconds;N`, and either with `T` (RFC 2852 section 4).
fn is_time(value: &str) -> bool {
    let Some((seconds, mode)) = value.split_once(';') else { return false };
    let digits = seconds.strip_prefix(['+', '-']).unwrap_or(seconds);
    let mode = mode.to_ascii_uppercase();
    let is_over = seconds.starts_with('-') || digits.bytes().all(|octet| octet == b'0');
    is_number(digits, 9) && matches!((mode.as_str(), is_over), ("N" | "NT", _) | ("R" | "RT", false))
}

/// RFC 6710 section 3.
fn is_priority(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    is_number(digits, 1)
}

fn is_number(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
}
