//! A map of senders, so that a long one costs no more than a short one.

use std::collections::{HashMap, HashSet};

use crate::address::Address;
use crate::config::account::{SenderEntry, Who};

/// The entries of an account, by what they are about. Of several for the same sender the first one counts.
#[derive(Debug, Default)]
pub(super) struct SenderMap<'a> {
    users: HashMap<&'a str, &'a Address>,
    addresses: HashMap<String, &'a Address>,
    patterns: Vec<&'a SenderEntry>,
    /// The keys of the new addresses.
    given: HashSet<String>,
}

/// Whether an address is of a user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    ThisMachine,
    Elsewhere,
}

impl<'a> SenderMap<'a> {
    pub(super) fn new(entries: &'a [SenderEntry]) -> Self {
        let mut map = SenderMap::default();
        for entry in entries {
            map.given.insert(entry.address.key());
            match &entry.who {
                Who::User(name) => _ = map.users.entry(name).or_insert(&entry.address),
                Who::Address(pattern) => match Address::parse(pattern.as_str()) {
                    Ok(address) if pattern.is_address() => {
                        map.addresses.entry(address.key()).or_insert(&entry.address);
                    }
                    _ => map.patterns.push(entry),
                },
            }
        }
        map
    }

    /// The new address of a sender: whole addresses come first, then users, then patterns. A pattern does not mean an
    /// address that the map has given itself, so that a second run changes nothing.
    pub(super) fn get(&self, address: &Address, of: Of) -> Option<&'a Address> {
        let key = address.key();
        let user = || match of {
            Of::ThisMachine => self.users.get(address.local().to_lowercase().as_str()),
            Of::Elsewhere => None,
        };
        if let Some(exact) = self.addresses.get(&key).or_else(user) {
            return Some(exact);
        }
        if self.given.contains(&key) {
            return None;
        }
        let fits =
            |entry: &&&SenderEntry| matches!(&entry.who, Who::Address(pattern) if pattern.matches(address.as_str()));
        self.patterns.iter().find(fits).map(|entry| &entry.address)
    }
}
