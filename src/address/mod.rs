//! Addresses: addr-spec and mailbox lists. An [`Address`] holds no CR, LF, NUL or other control by construction.

mod error;
mod list;
pub(crate) mod token;

pub use error::{AddressError, Fault};
pub use list::parse_list;
pub(crate) use list::{Separator, find};

/// A mailbox address as it goes on the wire, without angle brackets: `local-part@domain`, or a bare
/// `Postmaster` (RFC 5321 section 4.1.1.3). The local part is quoted where it must be.
///
/// All of it is ASCII: addresses that need SMTPUTF8 or A-labels are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    /// Where the `@` stands in `text`; `None` for `Postmaster`.
    at: Option<usize>,
}

/// Somebody in a list: an address, perhaps with the name that a person reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The phrase before the address, or the comment behind it, without quotes; encoded words are left as they are.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Address {
    /// Reads one address: an addr-spec, in angle brackets or not, or a bare `postmaster`.
    ///
    /// The local part may be quoted, and is quoted where RFC 5321 section 4.1.2 demands it (`"john..doe"@x`); its
    /// case is kept. Comments and routes are dropped.
    ///
    /// # Errors
    /// When the text is not one address, is unqualified, or holds an octet that cannot be sent.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let mut found = find(text.as_bytes())?;
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => one.address(""),
            (None, _) => Err(AddressError::new(text.as_bytes(), Fault::Empty)),
            _ => Err(AddressError::new(text.as_bytes(), Fault::MoreThanOne)),
        }
    }

    /// An address from parts that were read already: `local` without quotes, `domain` as it was written.
    pub(crate) fn from_parts(local: &[u8], domain: Option<&[u8]>) -> Result<Address, Fault> {
        let local = wire_local(local)?;
        let Some(domain) = domain else {
            if local.eq_ignore_ascii_case("postmaster") {
                return Ok(Address { text: local, at: None });
            }
            return Err(Fault::Unqualified);
        };
        let domain = wire_domain(domain)?;
        if local.len() + 1 + domain.len() > PATH_LIMIT {
            return Err(Fault::TooLong);
        }
        Ok(Address { at: Some(local.len()), text: format!("{local}@{domain}") })
    }

    /// The wire form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part as it goes on the wire, with its quotes.
    pub fn local(&self) -> &str {
        &self.text[..self.at.unwrap_or(self.text.len())]
    }

    /// What stands behind the `@`: a domain name, or a literal in brackets; nothing for a bare `Postmaster`.
    pub fn domain(&self) -> Option<&str> {
        self.at.map(|at| &self.text[at + 1..])
    }

    /// What makes two addresses the same recipient: the local part as it is (but for `postmaster`, which may be
    /// written in any case), the domain in lower case.
    pub fn key(&self) -> String {
        let local = self.local();
        let local = if local.eq_ignore_ascii_case("postmaster") { "postmaster" } else { local };
        match self.domain() {
            Some(domain) => format!("{local}@{}", domain.to_ascii_lowercase()),
            None => local.to_owned(),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The local part with quotes where it needs them (RFC 5321 section 4.1.2).
fn wire_local(local: &[u8]) -> Result<String, Fault> {
    match local.iter().find(|octet| !matches!(octet, b' '..=b'~')) {
        Some(128..) => return Err(Fault::NonAsciiLocal),
        Some(_) => return Err(Fault::Control),
        None => {}
    }
    // Quotes keep a leading `|` from being taken for a command by whoever reads the address next.
    let is_dot_atom = !local.starts_with(b"|")
        && local.split(|octet| *octet == b'.').all(|atom| !atom.is_empty() && atom.iter().all(is_atext));
    let mut text = String::with_capacity(local.len() + 2);
    if is_dot_atom {
        text.extend(local.iter().map(|octet| char::from(*octet)));
        return Ok(text);
    }
    text.push('"');
    for octet in local {
        if matches!(octet, b'"' | b'\\') {
            text.push('\\');
        }
        text.push(char::from(*octet));
    }
    text.push('"');
    Ok(text)
}

/// The domain as it goes on the wire: a dot at its end is dropped.
fn wire_domain(domain: &[u8]) -> Result<String, Fault> {
    if !domain.is_ascii() {
        return Err(Fault::NonAsciiDomain);
    }
    let is_good = match domain {
        [b'[', literal @ .., b']'] => {
            !literal.is_empty() && literal.iter().all(|octet| matches!(octet, b'!'..=b'Z' | b'^'..=b'~'))
        }
        _ => labels(domain).split(|octet| *octet == b'.').all(is_label),
    };
    if !is_good || domain.len() > DOMAIN_LIMIT {
        return Err(Fault::BadDomain);
    }
    Ok(labels(domain).iter().map(|octet| char::from(*octet)).collect())
}

fn labels(domain: &[u8]) -> &[u8] {
    domain.strip_suffix(b".").unwrap_or(domain)
}

/// A label; underscores are borne, because hosts that have them exist.
fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
}

/// The octets of an atom (RFC 5322 section 3.2.3).
pub(crate) fn is_atext(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(octet)
}

/// The most octets in an address. RFC 5321 section 4.5.3.1.3 allows 256; servers that take more exist.
const PATH_LIMIT: usize = 1000;

/// The most octets in a domain (RFC 5321 section 4.5.3.1.2).
const DOMAIN_LIMIT: usize = 255;
