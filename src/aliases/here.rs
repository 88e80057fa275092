//! Which addresses are of this machine, so that they may be aliases.

use crate::address::Address;
use crate::system::Machine;

/// The names of this machine, as far as addresses have them.
#[derive(Clone, Debug)]
pub struct Here<'a> {
    /// What names without a domain get.
    pub mail_domain: &'a str,
    /// A domain whose mailboxes are elsewhere, although this machine may have the same name.
    pub elsewhere: Option<&'a str>,
    /// The name that is given with EHLO, where a setting has it.
    pub hostname: Option<&'a str>,
    /// Where the other names are read, and only where an address looks like one of them.
    pub machine: Machine,
}

impl Here<'_> {
    /// Whether somebody of this machine is meant: it is a name without a domain, or behind the `@` stands `localhost`, or a
    /// name of this machine that is not that of mailboxes elsewhere.
    pub fn has(&self, address: &Address) -> bool {
        address.is_local() || address.domain().is_some_and(|domain| self.is_named(domain))
    }

    fn is_named(&self, domain: &str) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(domain);
        if self.elsewhere.is_some_and(is) {
            return false;
        }
        if ["localhost", "localhost.localdomain"].into_iter().any(is) || self.hostname.is_some_and(is) {
            return true;
        }
        let node = self.machine.host_name();
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        is(&node) || (first(&node) == first(domain) && self.machine.full_name().as_deref().is_some_and(is))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "127.0.0.1 localhost\n192.0.2.1 nas1.home.test nas1 other\n").unwrap();
        let machine = |node: &str| Machine { hosts: hosts.clone(), node: Some(node.to_owned()), ..Machine::default() };
        let of = |elsewhere, hostname, node: &str, domain: &str| {
            let here = Here { mail_domain: "example.org", elsewhere, hostname, machine: machine(node) };
            here.has(&Address::parse(&format!("root@{domain}")).unwrap())
        };
        for (domain, is_here) in [
            ("localhost", true),
            ("LocalHost", true),
            ("localhost.localdomain", true),
            ("nas1", true),
            ("NAS1.home.test", true),
            ("nas1.example.org", false),
            ("other", false),
            ("home.test", false),
            ("example.org", false),
            ("box.example.org", false),
            ("[127.0.0.1]", false),
        ] {
            assert_eq!(of(None, None, "nas1", domain), is_here, "{domain}");
        }
        assert!(of(None, None, "nas1.home.test", "nas1.home.test"));
        assert!(of(None, Some("box.example.org"), "nas1", "box.example.org"));
        // A machine that is called as the domain of mailboxes that a provider has.
        assert!(of(None, None, "example.org", "example.org"));
        assert!(!of(Some("example.org"), Some("example.org"), "example.org", "example.org"));
    }
}
