//! Addresses: addr-spec and mailbox lists. An [`Address`] holds no CR, LF, NUL or other control by construction.

mod domain;
mod error;
mod list;
pub(crate) mod token;

pub use domain::to_ascii;
pub use error::{AddressError, Fault};
pub(crate) use list::{Separator, find};
pub use list::{parse_list, parse_typed_list};

/// A mailbox address as it goes on the wire, without angle brackets: `local-part@domain`, or a bare
/// `Postmaster` (RFC 5321 section 4.1.1.3). The local part is quoted where it must be.
///
/// The domain is in ASCII, with internationalised labels as A-labels (RFC 5890). The local part may be UTF-8, and goes
/// on the wire octet by octet as it was given (RFC 6532 section 3.1); such an address needs SMTPUTF8 (RFC 6531).
#[derive(Clone, Debug)]
pub struct Address {
    text: String,
    origin: Origin,
    /// Where the `@` stands in `text`; `None` for `Postmaster`.
    at: Option<usize>,
}

/// Where the domain of an address comes from. It does not make two addresses differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It was written so, or there is none; or a backslash said that no alias is wanted.
    Given,
    /// There was none, and it got the mail domain.
    Added,
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
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
                return Ok(Address { text: local, at: None, origin: Origin::Given });
            }
            return Err(Fault::Unqualified);
        };
        let domain = domain::wire(domain)?;
        if local.len() + 1 + domain.len() > PATH_LIMIT {
            return Err(Fault::TooLong);
        }
        Ok(Address { at: Some(local.len()), text: format!("{local}@{domain}"), origin: Origin::Given })
    }

    /// The wire form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part as it goes on the wire, with its quotes.
    pub fn local(&self) -> &str {
        &self.text[..self.at.unwrap_or(self.text.len())]
    }

    /// Whether no more is needed than SMTP has always had. If not, it needs SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// What stands behind the `@`: a domain name, or a literal in brackets; nothing for a bare `Postmaster`.
    pub fn domain(&self) -> Option<&str> {
        self.at.map(|at| &self.text[at + 1..])
    }

    /// Whether it was written without a domain, so that it is somebody of this machine, and may be an alias. `\\root` is
    /// not: the backslash says so.
    pub fn is_local(&self) -> bool {
        self.origin == Origin::Added
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

/// The local part with quotes where it needs them (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
fn wire_local(local: &[u8]) -> Result<String, Fault> {
    let local = std::str::from_utf8(local).map_err(|_| Fault::NotUtf8)?;
    if local.chars().any(char::is_control) {
        return Err(Fault::Control);
    }
    // Quotes keep a leading `|` from being taken for a command by whoever reads the address next.
    let is_atom = |octet: u8| is_atext(&octet) || !octet.is_ascii();
    let is_dot_atom =
        !local.starts_with('|') && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
    if is_dot_atom {
        return Ok(local.to_owned());
    }
    let mut text = String::with_capacity(local.len() + 2);
    text.push('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Ok(text)
}

/// The octets of an atom (RFC 5322 section 3.2.3).
pub(crate) fn is_atext(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(octet)
}

/// The most octets in an address. RFC 5321 section 4.5.3.1.3 allows 256; servers that take more exist.
const PATH_LIMIT: usize = 1000;
