//! Domains as they go on the wire: in ASCII (RFC 5890), whatever letters they are written in.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::error::Fault;

/// The domain as it goes on the wire: its labels in ASCII, a dot at its end dropped; or a literal in brackets.
pub(super) fn wire(domain: &[u8]) -> Result<String, Fault> {
    if domain.starts_with(b"[") || (domain.is_ascii() && !has_a_label(domain)) {
        return in_ascii(domain);
    }
    let ascii = to_ascii(domain).ok_or(Fault::NotIdn)?;
    // Brackets of other scripts are mapped to ours, and make no literal.
    if ascii.starts_with('[') { Err(Fault::BadDomain) } else { in_ascii(ascii.as_bytes()) }
}

/// A domain name in ASCII, by the rules of UTS 46 for look-up (non-transitional, so that `faß` is not `fass`), in lower
/// case; `None` where it has no such form: a label that is too long, or one in Punycode that means nothing.
pub fn to_ascii(name: &[u8]) -> Option<String> {
    let ascii =
        Uts46::new().to_ascii(name, AsciiDenyList::EMPTY, Hyphens::CheckFirstLast, DnsLength::VerifyAllowRootDot);
    ascii.ok().map(std::borrow::Cow::into_owned)
}

/// Whether a label is in Punycode, which may be a wrong one.
fn has_a_label(domain: &[u8]) -> bool {
    let mut labels = domain.split(|octet| *octet == b'.');
    labels.any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--")))
}

fn in_ascii(domain: &[u8]) -> Result<String, Fault> {
    let labels = domain.strip_suffix(b".").unwrap_or(domain);
    let is_good = match domain {
        [b'[', literal @ .., b']'] => {
            !literal.is_empty() && literal.iter().all(|octet| matches!(octet, b'!'..=b'Z' | b'^'..=b'~'))
        }
        _ => labels.split(|octet| *octet == b'.').all(is_label),
    };
    if !is_good || domain.len() > DOMAIN_LIMIT {
        return Err(Fault::BadDomain);
    }
    Ok(labels.iter().map(|octet| char::from(*octet)).collect())
}

/// A label; underscores are borne, because hosts that have them exist.
fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

/// The most octets in a domain (RFC 5321 section 4.5.3.1.2).
const DOMAIN_LIMIT: usize = 255;
