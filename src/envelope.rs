//! The envelope: who sends, and to whom (RFC 5321 section 2.3.1). The header of the message is another thing.

mod dsn;
mod wishes;

pub use dsn::{EnvelopeId, NoSuchWish, Notify, Occasion, Returned, Utf8, original_recipient, xtext};
pub use wishes::{DeliverBy, Dsn, Hold, Late, Priority, Way, Wishes};

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

/// One sender and at least one recipient, without duplicates, and what the sender wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    sender: ReversePath,
    recipients: Vec<Address>,
    wishes: Wishes,
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
        let wishes = Wishes::default();
        if recipients.len() == 1 {
            return Ok(Envelope { sender, recipients, wishes });
        }
        let mut seen = std::collections::HashSet::with_capacity(recipients.len());
        let recipients = recipients.into_iter().filter(|address| seen.insert(address.key())).collect();
        Ok(Envelope { sender, recipients, wishes })
    }

    /// The same envelope with these wishes.
    #[must_use]
    pub fn wishing(self, wishes: Wishes) -> Self {
        Envelope { wishes, ..self }
    }

    /// The same for some of the recipients, by their numbers; `None` where that would be nobody.
    pub fn part(&self, numbers: &[usize]) -> Option<Self> {
        let recipients: Vec<Address> = numbers.iter().filter_map(|&at| self.recipients.get(at).cloned()).collect();
        let Envelope { sender, wishes, .. } = self;
        (!recipients.is_empty()).then(|| Envelope { sender: sender.clone(), recipients, wishes: wishes.clone() })
    }

    /// The reverse-path.
    pub fn sender(&self) -> &ReversePath {
        &self.sender
    }

    /// The recipients, in the order in which they were given.
    pub fn recipients(&self) -> &[Address] {
        &self.recipients
    }

    /// What the sender wishes beyond delivery.
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }
}
