//! The envelope: who sends, and to whom (RFC 5321 section 2.3.1). The header of the message is another thing.

mod dsn;
mod wishes;
mod xclient;

pub use dsn::{EnvelopeId, NoSuchWish, Notify, Occasion, OriginalRecipient, Returned, Utf8, xtext};
pub use wishes::{DeliverBy, Dsn, Hold, Late, OwnDsn, Priority, Way, Wishes};
pub use xclient::ClientAttribute;

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
    /// By the numbers of the recipients; those at the end may be missing.
    own: Vec<OwnDsn>,
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
        let (wishes, own) = (Wishes::default(), Vec::new());
        if recipients.len() == 1 {
            return Ok(Envelope { sender, recipients, wishes, own });
        }
        let mut seen = std::collections::HashSet::with_capacity(recipients.len());
        let recipients = recipients.into_iter().filter(|address| seen.insert(address.key())).collect();
        Ok(Envelope { sender, recipients, wishes, own })
    }

    /// The same envelope with these wishes.
    #[must_use]
    pub fn wishing(self, wishes: Wishes) -> Self {
        Envelope { wishes, ..self }
    }

    /// The same envelope with what is wished for single recipients, in place of what is wished for all.
    #[must_use]
    pub fn wishing_for_each(self, own: impl Fn(&Address) -> OwnDsn) -> Self {
        Envelope { own: self.recipients.iter().map(own).collect(), ..self }
    }

    /// The same for some of the recipients, by their numbers; `None` where that would be nobody.
    pub fn part(&self, numbers: &[usize]) -> Option<Self> {
        let recipients: Vec<Address> = numbers.iter().filter_map(|&at| self.recipients.get(at).cloned()).collect();
        let own = match self.own.is_empty() {
            true => Vec::new(),
            false => numbers.iter().map(|&at| self.own.get(at).cloned().unwrap_or_default()).collect(),
        };
        let Envelope { sender, wishes, .. } = self;
        (!recipients.is_empty()).then(|| Envelope { sender: sender.clone(), recipients, wishes: wishes.clone(), own })
    }

    /// The reverse-path.
    pub fn sender(&self) -> &ReversePath {
        &self.sender
    }

    /// The recipients, in the order in which they were given.
    pub fn recipients(&self) -> &[Address] {
        &self.recipients
    }

    /// When a notification is wanted for a recipient, by its number. Nobody is there to get one about a bounce, and it must
    /// not cause another (RFC 3461 section 6.1).
    pub fn notify(&self, recipient: usize) -> Option<&Notify> {
        let own = self.own.get(recipient).and_then(|own| own.notify.as_ref());
        let notify = own.or(self.wishes.dsn.notify.as_ref());
        notify.filter(|notify| self.sender != ReversePath::Null || **notify == Notify::Never)
    }

    /// Whom the message was first sent to (ORCPT). Some servers refuse it, so it is told only where somebody said it, or
    /// waits for a notification. `None` too where it would be too long.
    pub fn original(&self, recipient: usize) -> Option<OriginalRecipient> {
        match self.own.get(recipient).and_then(|own| own.original.clone()) {
            Some(original) => Some(original),
            None if self.notify(recipient).is_some() => OriginalRecipient::of(self.recipients.get(recipient)?),
            None => None,
        }
    }

    /// What the sender wishes beyond delivery.
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }
}
