//! The envelope: who sends, and to whom (RFC 5321 section 2.3.1). The header of the message is another thing.

use crate::address::{Address, AddressError, Fault, parse_list};

/// Where bounces go: the argument of `MAIL FROM` (RFC 5321 section 4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`: nobody wants to hear of a failure.
    Null,
    /// An address.
    Address(Address),
}

impl ReversePath {
    /// Reads what a caller gives for the sender (`-f`): nothing or `<>` for the null reverse-path, or one mailbox,
    /// whose name is dropped. A name without a domain gets `mail_domain`.
    ///
    /// # Errors
    /// When it is not exactly one address, or holds a control character anywhere, folds included.
    pub fn parse(text: &str, mail_domain: &str) -> Result<Self, AddressError> {
        if text.chars().any(char::is_control) {
            return Err(AddressError::new(text.as_bytes(), Fault::Control));
        }
        if matches!(text.trim(), "" | "<>") {
            return Ok(ReversePath::Null);
        }
        let mut list = parse_list(text, mail_domain)?;
        match (list.pop(), list.is_empty()) {
            (Some(mailbox), true) => Ok(ReversePath::Address(mailbox.address)),
            (None, _) => Err(AddressError::new(text.as_bytes(), Fault::Empty)),
            _ => Err(AddressError::new(text.as_bytes(), Fault::MoreThanOne)),
        }
    }

    /// The text between the angle brackets; empty for the null reverse-path.
    pub fn as_str(&self) -> &str {
        match self {
            ReversePath::Null => "",
            ReversePath::Address(address) => address.as_str(),
        }
    }
}

/// One sender and at least one recipient, without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    sender: ReversePath,
    recipients: Vec<Address>,
}

/// An envelope needs at least one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no recipients")]
pub struct NoRecipients;

impl Envelope {
    /// Builds an envelope. A recipient that is named twice is kept once, in the place where it stood first;
    /// local parts are compared octet by octet and domains without regard to case (RFC 5321 section 2.4).
    ///
    /// # Errors
    /// [`NoRecipients`] when the list is empty.
    pub fn new(sender: ReversePath, recipients: Vec<Address>) -> Result<Self, NoRecipients> {
        if recipients.is_empty() {
            return Err(NoRecipients);
        }
        if recipients.len() == 1 {
            return Ok(Envelope { sender, recipients });
        }
        let mut seen = std::collections::HashSet::with_capacity(recipients.len());
        let recipients = recipients.into_iter().filter(|address| seen.insert(address.key())).collect();
        Ok(Envelope { sender, recipients })
    }

    /// The reverse-path.
    pub fn sender(&self) -> &ReversePath {
        &self.sender
    }

    /// The recipients, in the order in which they were given.
    pub fn recipients(&self) -> &[Address] {
        &self.recipients
    }
}
