//! Under which address mail goes out: one set of rules for envelope and header, so that the mail of root and cron passes a
//! smarthost that takes no sender but its own. Pure: it reads no file, and knows no more of the machine than its name.
//!
//! The rules, in their order; each does nothing where its key is not set:
//!
//! 1. `aliases-in`: To and Cc name those whom the aliases stand for;
//! 2. `from`: the sender where the caller names none, unless the next rule has one for the caller;
//! 3. `sender-map`: another address for this sender;
//! 4. `masquerade`: the mail domain for the names of hosts;
//! 5. `rewrite-from`: the account's address for a sender that is not the account's;
//! 6. `envelope-from`: the one reverse-path that the server takes.
//!
//! Fields that hold no address are never touched, nor is the body; a header with a DKIM signature stays as it is.

mod author;
mod difference;
mod header;
mod map;

use std::cell::LazyCell;

pub use difference::difference;

use map::{Of, SenderMap};

use crate::address::Address;
use crate::config::account::{Account, Who};
use crate::envelope::ReversePath;
use crate::message::Message;
use crate::message::incoming::Incoming;
use crate::message::prepare::Identity;

/// What changes an address, or another part of a header, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The alias file, in the envelope and by `aliases-in` in To and Cc.
    Aliases,
    /// `from`.
    From,
    /// What is added, taken away and mended in every header; see [`crate::message::prepare`].
    Header,
    /// `sender-map` and `sender-map-file`.
    SenderMap,
    /// `masquerade`.
    Masquerade,
    /// `rewrite-from`.
    RewriteFrom,
    /// `envelope-from`.
    EnvelopeFrom,
}

impl Rule {
    /// What it is called: the key that sets it, where there is one.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Aliases => "aliases",
            Rule::Header => "header",
            Rule::From => "from",
            Rule::SenderMap => "sender-map",
            Rule::Masquerade => "masquerade",
            Rule::RewriteFrom => "rewrite-from",
            Rule::EnvelopeFrom => "envelope-from",
        }
    }
}

const ADDRESS_RULES: [Rule; 4] = [Rule::SenderMap, Rule::Masquerade, Rule::RewriteFrom, Rule::EnvelopeFrom];

/// What a rule changed: a field of the header with its line ends, or a command of the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The rule.
    pub rule: Rule,
    /// What stood there; `None` where something was added.
    pub before: Option<Vec<u8>>,
    /// What stands there now; `None` where something was taken away.
    pub after: Option<Vec<u8>>,
}

impl Change {
    /// A change of recipients.
    pub fn of_recipients(rule: Rule, before: &[Address], after: &[Address]) -> Vec<Change> {
        let command = |address: &Address| Some(format!("RCPT TO:<{address}>").into_bytes());
        let gone = before.iter().filter(|address| !after.contains(address));
        let come = after.iter().filter(|address| !before.contains(address));
        let gone = gone.map(|address| Change { rule, before: command(address), after: None });
        gone.chain(come.map(|address| Change { rule, before: None, after: command(address) })).collect()
    }

    /// A change of the reverse-path.
    pub fn of_sender(rule: Rule, before: &ReversePath, after: &ReversePath) -> Change {
        let command = |path: &ReversePath| Some(format!("MAIL FROM:<{}>", path.as_str()).into_bytes());
        Change { rule, before: command(before), after: command(after) }
    }
}

/// How much may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Envelope and header.
    All,
    /// The envelope alone: the header belongs to somebody else (`-G`).
    Envelope,
}

/// A sender, and what became of the message.
#[derive(Debug)]
pub struct Rewritten {
    /// The reverse-path.
    pub sender: ReversePath,
    /// The message.
    pub message: Message,
    /// What was changed, rule by rule.
    pub changes: Vec<Change>,
}

/// The rules of an account on this machine.
pub struct Rules<'a> {
    account: &'a Account,
    /// The host name.
    node: &'a LazyCell<String>,
    /// `None` where there is no entry: a hash table costs a system call.
    senders: Option<SenderMap<'a>>,
}

impl<'a> Rules<'a> {
    /// The rules of this account; of `identity` only the name of the machine is used.
    pub fn of(account: &'a Account, identity: &'a Identity) -> Rules<'a> {
        let entries = &account.identity.sender_map;
        let senders = (!entries.is_empty()).then(|| SenderMap::new(entries));
        Rules { account, node: &identity.host, senders }
    }

    /// Whether the map of senders knows whoever calls, so that its address is to be used and not that of `from`.
    pub fn knows(&self, caller: impl FnOnce() -> Option<Address>) -> bool {
        self.senders.is_some() && caller().is_some_and(|caller| self.mapped(&caller).is_some())
    }

    /// Applies all rules but the first two.
    pub fn rewrite(&self, sender: ReversePath, message: Message, scope: Scope) -> Rewritten {
        let mut done = Rewritten { sender, message, changes: Vec::new() };
        for rule in ADDRESS_RULES {
            if !self.has(rule) {
                continue;
            }
            if let Some(sender) = self.sender(rule, &done.sender) {
                done.changes.push(Change::of_sender(rule, &done.sender, &sender));
                done.sender = sender;
            }
            if scope == Scope::Envelope || is_signed(done.message.head()) {
                continue;
            }
            let edited = match rule {
                Rule::RewriteFrom => author::rewrite(self, done.message.head()),
                Rule::EnvelopeFrom => None,
                rule => header::replace(done.message.head(), self, rule),
            };
            if let Some(edited) = edited {
                done.changes.extend(edited.changes);
                done.message = done.message.with_head(edited.head);
            }
        }
        done
    }

    /// The reverse-path that [`Rules::rewrite`] gives.
    pub fn reverse_path(&self, sender: ReversePath) -> ReversePath {
        ADDRESS_RULES.into_iter().fold(sender, |sender, rule| self.sender(rule, &sender).unwrap_or(sender))
    }

    fn has(&self, rule: Rule) -> bool {
        let identity = &self.account.identity;
        match rule {
            Rule::SenderMap => self.senders.is_some(),
            Rule::Masquerade => !identity.masquerade.is_empty(),
            Rule::RewriteFrom => identity.rewrite_from.is_some(),
            Rule::EnvelopeFrom => identity.envelope_from.is_some(),
            Rule::Aliases | Rule::Header | Rule::From => false,
        }
    }

    /// What a rule makes of a reverse-path. The null one is replaced by `envelope-from` alone.
    fn sender(&self, rule: Rule, sender: &ReversePath) -> Option<ReversePath> {
        let forced = || self.account.identity.envelope_from.clone();
        let address = match (rule, sender) {
            (Rule::EnvelopeFrom, _) => forced(),
            (_, ReversePath::Null) => None,
            (rule, ReversePath::Address(address)) => self.address(rule, address),
        };
        address.map(ReversePath::Address).filter(|path| path != sender)
    }

    /// What a rule makes of an address of the sender; `None` where nothing is to be changed.
    fn address(&self, rule: Rule, address: &Address) -> Option<Address> {
        match rule {
            Rule::SenderMap => self.mapped(address),
            Rule::Masquerade => self.masqueraded(address),
            Rule::RewriteFrom => {
                let (_, own) = self.account.identity.rewrite_from.as_ref()?;
                (!self.is_own(address)).then(|| own.clone())
            }
            Rule::EnvelopeFrom | Rule::Aliases | Rule::Header | Rule::From => None,
        }
    }

    fn mapped(&self, address: &Address) -> Option<Address> {
        let senders = self.senders.as_ref()?;
        let of = if self.is_here(address) { Of::ThisMachine } else { Of::Elsewhere };
        let new = senders.get(address, of)?;
        (new.key() != address.key()).then(|| new.clone())
    }

    fn masqueraded(&self, address: &Address) -> Option<Address> {
        let identity = &self.account.identity;
        let domain = address.domain()?;
        let is_excepted = || identity.masquerade_except.iter().any(|who| is_who(who, address));
        if !identity.masquerade.iter().any(|masked| masked.covers(domain)) || is_excepted() {
            return None;
        }
        let masked = Address::parse(&format!("{}@{}", address.local(), self.account.mail_domain)).ok()?;
        (masked.key() != address.key()).then_some(masked)
    }

    /// Whether the account may send under this address.
    fn is_own(&self, address: &Address) -> bool {
        self.account.from.iter().any(|pattern| pattern.matches(address.as_str()))
    }

    /// Whether it is a user of this machine, as far as the domain tells.
    fn is_here(&self, address: &Address) -> bool {
        let Some(domain) = address.domain() else { return true };
        let is = |name: &str| domain.eq_ignore_ascii_case(name);
        is(&self.account.mail_domain) || is("localhost") || is(self.node) || is(self.host())
    }

    /// The first label of the machine's name.
    fn host(&self) -> &str {
        self.node.split('.').next().unwrap_or_default()
    }
}

/// To and Cc with those whom the aliases stand for in the place of names without a domain. `expand` gives the addresses
/// behind one; a name that it does not know, or that stands for nobody or for very many, stays.
pub fn expand_in_header(
    incoming: Incoming,
    mail_domain: &str,
    expand: &dyn Fn(Address) -> Option<Vec<Address>>,
) -> (Incoming, Vec<Change>) {
    if is_signed(incoming.header()) {
        return (incoming, Vec::new());
    }
    match header::expand(incoming.header(), mail_domain, expand) {
        None => (incoming, Vec::new()),
        Some(edited) => (incoming.with_header(edited.head), edited.changes),
    }
}

/// Whether somebody has signed this header (RFC 6376), From in any case.
pub fn is_signed(head: &[u8]) -> bool {
    crate::message::header::fields(head).iter().any(|field| field.is(head, "DKIM-Signature"))
}

fn is_who(who: &Who, address: &Address) -> bool {
    match who {
        Who::User(name) => address.local().to_lowercase() == *name,
        Who::Address(pattern) => pattern.matches(address.as_str()),
    }
}
