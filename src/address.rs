//! Addresses: addr-spec and mailbox lists. An [`Address`] holds no CR, LF, NUL or other control by construction.

/// A mailbox address as it goes on the wire, without angle brackets: `local-part@domain`, or a bare
/// `Postmaster` (RFC 5321 section 4.1.1.3). The local part is quoted where it must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    /// Where the `@` stands in `text`; `None` for `Postmaster`.
    at: Option<usize>,
}

impl Address {
    /// The wire form.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// What makes two addresses the same recipient: the local part as it is, the domain in lower case.
    pub fn key(&self) -> String {
        match self.at {
            Some(at) => format!("{}@{}", &self.text[..at], self.text[at + 1..].to_lowercase()),
            None => self.text.to_lowercase(),
        }
    }
}
