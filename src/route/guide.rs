//! Whoever is asked for the way.

use super::sts::{InForce, Policies};
use crate::config::account::Account;
use crate::dns::Resolver;

/// What knows the way for one account: DNS, and the policies of domains. Nothing is read or asked before it must be.
pub struct Guide<'a> {
    pub(super) account: &'a Account,
    pub(super) resolver: Resolver<'a>,
    pub(super) policies: Policies<'a>,
}

impl<'a> Guide<'a> {
    /// A guide as the account wants it.
    pub fn new(account: &'a Account) -> Self {
        let resolver = Resolver::new(&account.dns, &account.tls);
        Guide { account, resolver, policies: Policies::new(account) }
    }

    /// Who looks names up.
    pub fn resolver(&self) -> &Resolver<'a> {
        &self.resolver
    }

    /// The MTA-STS policy of a domain, in lower case, that was found to be in force when a way was looked for.
    pub fn policy(&self, domain: &str) -> Option<InForce> {
        self.policies.in_force(domain)
    }
}
