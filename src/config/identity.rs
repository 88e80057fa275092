//! Under which address mail goes out: the keys of it, and what their values mean.

use std::path::Path;

use super::account::{NamedFile, Pattern};
use super::error::{ConfigError, Kind};
use super::resolve::Resolver;
use super::settings::{Place, Set};
use super::url::host;
use super::value::{Fault, quoted};
use super::{account, file};
use crate::address::Address;
use crate::system;

/// Which addresses of the sender become others, in envelope and header. Without a rule nothing changes.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// `sender-map`, then `sender-map-file`: whom each sender is replaced by.
    pub sender_map: Vec<SenderEntry>,
    /// `masquerade`: domains that are replaced by the mail domain.
    pub masquerade: Vec<Domain>,
    /// `masquerade-except`: whose addresses are not.
    pub masquerade_except: Vec<Who>,
    /// `rewrite-from`, and the address to write.
    pub rewrite_from: Option<(KeepOriginal, Address)>,
    /// `envelope-from`: the only reverse-path there is.
    pub envelope_from: Option<Address>,
    /// `aliases-in`.
    pub aliases_in: AliasesIn,
}

/// One line of a map of senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderEntry {
    /// Who is meant.
    pub who: Who,
    /// Who is written instead.
    pub address: Address,
}

/// Whose address is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user of this machine, by the login name. Case does not matter.
    User(String),
    /// An address, or a pattern of addresses.
    Address(Pattern),
}

/// A domain, or all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `nas.lan`, in lower case.
    Is(String),
    /// `*.lan`: without the star, in lower case: `.lan`.
    Below(String),
}

impl Domain {
    /// Whether it means this one.
    pub fn covers(&self, domain: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        match self {
            Domain::Is(name) => domain == *name,
            Domain::Below(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix.as_str()),
        }
    }
}

/// The `rewrite-from` key, where it is not `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepOriginal {
    /// The original author is told by the display name: `cron on nas1`.
    InName,
    /// Answers go to the original author.
    InReplyTo,
}

/// The `aliases-in` key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AliasesIn {
    /// The alias file is for the envelope alone. The default.
    #[default]
    Envelope,
    /// To and Cc name those whom the aliases stand for, too.
    EnvelopeAndHeader,
}

/// A text with `%u`, `%h`, `%H`, `%d` and `%%` in it: an address or a pattern that is still to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(String);

/// The names that stand for the escapes of a [`Template`]. Each is looked up only where it is asked for.
pub(super) struct Names<'a> {
    /// `%u`: the login name of the caller.
    pub login: &'a dyn Fn() -> String,
    /// The host name, of which `%h` is the first label.
    pub node: &'a dyn Fn() -> String,
    /// `%H`: the full host name.
    pub host: &'a dyn Fn() -> String,
    /// `%d`: the mail domain.
    pub mail_domain: &'a dyn Fn() -> String,
}

impl Template {
    /// Reads an address, of which the domain may be missing.
    pub(super) fn address(text: &str) -> Result<Template, Fault> {
        let template = Template::new(text)?;
        // What is wrong whatever the names are is told without the names.
        let sample = Names {
            login: &|| "u".into(),
            node: &|| "h".into(),
            host: &|| "h.test".into(),
            mail_domain: &|| "d".into(),
        };
        template.to_address(&sample)?;
        Ok(template)
    }

    /// Reads a pattern of addresses.
    pub(super) fn pattern(text: &str) -> Result<Template, Fault> {
        super::value::pattern(text)?;
        Template::new(text)
    }

    fn new(text: &str) -> Result<Template, Fault> {
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            if c == '%' && !letters.next().is_some_and(|letter| "uhHd%".contains(letter)) {
                return Err(Fault::new(format!("{} has a % that means nothing", quoted(text))).help(ESCAPES));
            }
        }
        Ok(Template(text.to_owned()))
    }

    /// The text with names in the places of the escapes.
    fn filled(text: &str, names: &Names<'_>) -> String {
        let mut filled = String::with_capacity(text.len() + 16);
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            match (c, if c == '%' { letters.next() } else { None }) {
                ('%', Some('u')) => filled.push_str(&(names.login)()),
                ('%', Some('h')) => filled.push_str((names.node)().split('.').next().unwrap_or_default()),
                ('%', Some('H')) => filled.push_str(&(names.host)()),
                ('%', Some('d')) => filled.push_str(&(names.mail_domain)()),
                (c, _) => filled.push(c),
            }
        }
        filled
    }

    /// The address, with quotes where a name needs them.
    pub(super) fn to_address(&self, names: &Names<'_>) -> Result<Address, Fault> {
        let bad = |error: &dyn std::fmt::Display| Fault::new(format!("makes no address: {error}")).help(ESCAPES);
        if !self.0.contains('%') {
            let mut list = crate::address::parse_list(&self.0, &(names.mail_domain)()).map_err(|error| bad(&error))?;
            return match (list.pop(), list.is_empty()) {
                (Some(mailbox), true) => Ok(mailbox.address),
                _ => Err(Fault::new(format!("{} is not one address", quoted(&self.0)))),
            };
        }
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, "%d"));
        let (local, domain) = (Template::filled(local, names), Template::filled(domain, names));
        if local.is_empty() {
            return Err(bad(&format!("{} has nothing before the @", quoted(&self.0))));
        }
        Address::from_parts(local.as_bytes(), Some(domain.as_bytes()))
            .map_err(|fault| bad(&format!("{} is {}: {fault}", quoted(&self.0), quoted(&format!("{local}@{domain}")))))
    }

    /// The pattern.
    pub(super) fn to_pattern(&self, names: &Names<'_>) -> Result<Pattern, Fault> {
        let text = match self.0.contains('%') {
            false => self.0.clone(),
            true if self.0.contains('*') || self.0.starts_with('@') => Template::filled(&self.0, names),
            true => self.to_address(names)?.as_str().to_owned(),
        };
        Pattern::new(&text)
            .ok_or_else(|| Fault::new(format!("{} is {}, which is no address", quoted(&self.0), quoted(&text))))
    }
}

/// An entry of a map as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    who: Who,
    address: Template,
}

impl Entry {
    /// Reads `who: address`, or the two with blanks between them.
    pub(super) fn new(text: &str) -> Result<Entry, Fault> {
        let split = text.find(|c: char| c == ':' || c.is_whitespace());
        let (who, address) =
            split.map_or((text, ""), |at| (&text[..at], text[at..].trim_start_matches([' ', '\t', ':'])));
        if who.is_empty() || address.trim().is_empty() {
            return Err(Fault::new(format!("{} does not say whom to write for whom", quoted(text)))
                .help("Write a user or an address, a colon and an address: root: alice@example.org"));
        }
        Ok(Entry { who: self::who(who)?, address: Template::address(address.trim())? })
    }

    fn filled(&self, names: &Names<'_>) -> Result<SenderEntry, Fault> {
        Ok(SenderEntry { who: self.who.clone(), address: self.address.to_address(names)? })
    }
}

/// Reads a user, an address or a pattern of addresses.
pub(super) fn who(text: &str) -> Result<Who, Fault> {
    if text.contains('@') || text == "*" {
        return super::value::pattern(if text == "*" { "*@*" } else { text }).map(Who::Address);
    }
    match Address::from_parts(text.as_bytes(), Some(b"x")) {
        Ok(address) if !text.contains(char::is_whitespace) => Ok(Who::User(address.local().to_lowercase())),
        _ => Err(Fault::new(format!("{} is neither a user nor an address", quoted(text)))),
    }
}

/// Reads a domain, or `*.domain` for all below it.
pub(super) fn domain(text: &str) -> Result<Domain, Fault> {
    let named = |text: &str| match host(text)? {
        account::Host::Name(name) => Ok(name),
        account::Host::Address(_) => Err(Fault::new(format!("{} is an address and not a domain", quoted(text)))),
    };
    match text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
        Some(rest) => Ok(Domain::Below(format!(".{}", named(rest)?))),
        None => Ok(Domain::Is(named(text.strip_prefix('@').unwrap_or(text))?)),
    }
}

/// Reads the name of a charset (RFC 2978 section 2.3).
pub(super) fn charset(text: &str) -> Result<String, Fault> {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'+-^_`{}~.:".contains(&octet);
    match text.to_ascii_lowercase() {
        name if name == "utf-8" || name == "utf8" || name == "us-ascii" => {
            Err(Fault::new(format!("{} is found out; this is for text that is something else", quoted(text))))
        }
        name if (1..=40).contains(&name.len()) && name.bytes().all(legal) => Ok(name),
        _ => Err(Fault::new(format!("{} is no name of a charset", quoted(text)))),
    }
}

impl Resolver<'_> {
    /// The rules of an account, with all names filled in.
    pub(super) fn identity(&self, from: &[Pattern], names: &Names<'_>) -> Result<Identity, ConfigError> {
        let key = |name: &str, fault: Fault, place: Place| {
            let error = self.error(format!("`{name}` {}", fault.message), place);
            fault.help.into_iter().fold(error, ConfigError::help)
        };
        let mut sender_map = Vec::new();
        if let Some(set) = self.pick_set(|s| s.sender_map.as_ref()) {
            for entry in &set.value {
                sender_map.push(entry.filled(names).map_err(|fault| key("sender-map", fault, set.place))?);
            }
        }
        if let Some(set) = self.pick_set(|s| s.sender_map_file.as_ref()) {
            self.read_map(&self.named_file("sender-map-file", set), set, names, &mut sender_map)?;
        }
        let rewrite_from = match self.pick_set(|s| s.rewrite_from.as_ref()) {
            None | Some(Set { value: None, .. }) => None,
            Some(Set { value: Some(keep), place }) => {
                let own = from.iter().find(|pattern| pattern.is_address());
                let Some(own) = own else {
                    let error = self.error("`rewrite-from` is set, and `from` has no whole address to write", *place);
                    return Err(error.help("Add the address of the login: from = \"alice@example.org\""));
                };
                let address = Template(own.as_str().replace('%', "%%")).to_address(names);
                Some((*keep, address.map_err(|fault| key("from", fault, *place))?))
            }
        };
        let envelope_from = match self.pick_set(|s| s.envelope_from.as_ref()) {
            None => None,
            Some(set) => Some(set.value.to_address(names).map_err(|fault| key("envelope-from", fault, set.place))?),
        };
        Ok(Identity {
            sender_map,
            masquerade: self.pick(|s| s.masquerade.as_ref()).cloned().unwrap_or_default(),
            masquerade_except: self.pick(|s| s.masquerade_except.as_ref()).cloned().unwrap_or_default(),
            rewrite_from,
            envelope_from,
            aliases_in: self.pick(|s| s.aliases_in.as_ref()).copied().unwrap_or_default(),
        })
    }

    /// The lines of a map: who may write that file sends mail in everybody's name.
    fn read_map(
        &self,
        named: &NamedFile,
        set: &Set<String>,
        names: &Names<'_>,
        map: &mut Vec<SenderEntry>,
    ) -> Result<(), ConfigError> {
        let path: &Path = &named.path;
        let (octets, access) = file::read(path).map_err(|error| {
            let message = format!("`sender-map-file` cannot be used: {}: {}", path.display(), system::words(&error));
            self.error(message, set.place)
        })?;
        access.trusted(path, self.owner()).map_err(|exposure| {
            let message = format!("this file is not used: {}", exposure.message);
            ConfigError::new(Kind::Exposed, message).in_file(path).help(exposure.help)
        })?;
        let text = String::from_utf8_lossy(&octets);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let entry = line.trim();
            if !entry.is_empty() && !entry.starts_with('#') {
                let read = Entry::new(entry).and_then(|entry| entry.filled(names));
                map.push(read.map_err(|fault| {
                    let error =
                        ConfigError::new(Kind::Invalid, fault.message).at(path, &text, start..start + entry.len());
                    fault.help.into_iter().fold(error, ConfigError::help)
                })?);
            }
            start += line.len();
        }
        Ok(())
    }
}

const ESCAPES: &str =
    "%u is the login name, %h the host name, %H the full one, %d the mail-domain, and %% a percent sign.";

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(login: &'a dyn Fn() -> String, node: &'a dyn Fn() -> String) -> Names<'a> {
        Names { login, node, host: &|| "nas1.home.test".to_owned(), mail_domain: &|| "example.org".to_owned() }
    }

    #[test]
    fn escapes_are_names_that_make_an_address() {
        for (template, login, expected) in [
            ("%u@%d", "alice", Some("alice@example.org")),
            ("%u", "alice", Some("alice@example.org")),
            ("%u.%h@%d", "www-data", Some("www-data.nas1@example.org")),
            ("%u@%H", "root", Some("root@nas1.home.test")),
            ("100%%@example.net", "root", Some("100%@example.net")),
            ("alerts", "root", Some("alerts@example.org")),
            ("Alerts <alerts@example.net>", "root", Some("alerts@example.net")),
            // Names that come from directories of other systems.
            ("%u@%d", "DOM\\alice", Some("\"DOM\\\\alice\"@example.org")),
            ("%u@%d", "al ice", Some("\"al ice\"@example.org")),
            ("%u@%d", "a\"b", Some("\"a\\\"b\"@example.org")),
            ("%u@%d", "a@evil.test", Some("\"a@evil.test\"@example.org")),
            ("%u@%d", "j\u{f6}rg", Some("j\u{f6}rg@example.org")),
            ("%u@%d", "%d", Some("%d@example.org")),
            ("%u@%d", "a\r\nRCPT TO:<b@c>", None),
            ("%u@%d", "", None),
        ] {
            let address =
                Template::address(template).unwrap().to_address(&names(&|| login.into(), &|| "nas1.lan".into()));
            assert_eq!(address.ok().as_ref().map(Address::as_str), expected, "{template} {login:?}");
        }
    }

    #[test]
    fn what_can_never_be_an_address_is_told_before_there_are_names() {
        for text in ["%x@example.org", "%", "a@b@c.test", "a@.", "", "a@x.test, b@x.test", "<>", "|sh", "%u@a b"] {
            assert!(Template::address(text).is_err(), "{text}");
        }
        assert!(Template::pattern("%q@example.org").is_err());
    }

    #[test]
    fn a_pattern_is_filled_in_too() {
        let filled = |text: &str, login: &str| {
            let pattern = Template::pattern(text).unwrap().to_pattern(&names(&|| login.into(), &|| "nas1".into()));
            pattern.ok().map(|pattern| pattern.as_str().to_owned())
        };
        assert_eq!(filled("%u@example.org", "al ice"), None, "patterns have no blanks");
        assert_eq!(filled("%u+*@%d", "alice").as_deref(), Some("alice+*@example.org"));
        assert_eq!(filled("@%h.test", "alice").as_deref(), Some("@nas1.test"));
        assert_eq!(filled("*@x.test", "alice").as_deref(), Some("*@x.test"));
    }

    #[test]
    fn an_entry_is_a_user_or_an_address_and_an_address() {
        let entry = |text: &str| Entry::new(text).map(|entry| entry.who);
        let user = |name: &str| Ok(Who::User(name.to_owned()));
        for text in ["root: a@x.test", "root:a@x.test", "Root\ta@x.test", "root a@x.test", "root : a@x.test"] {
            assert_eq!(entry(text), user("root"), "{text}");
        }
        assert!(matches!(entry("@nas1.lan: a@x.test"), Ok(Who::Address(_))));
        assert!(matches!(entry("*: a@x.test"), Ok(Who::Address(pattern)) if pattern.matches("b@y.test")));
        for text in ["root", "root:", ": a@x.test", "root: a@@x.test", "root: a@x.test, b@x.test", "a\u{0}: b@x.test"] {
            assert!(entry(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_domain_is_itself_or_all_below() {
        let covers = |text: &str, other: &str| domain(text).unwrap().covers(other);
        assert!(covers("NAS.lan", "nas.LAN") && !covers("nas.lan", "x.nas.lan") && covers("@nas", "nas"));
        assert!(covers("*.lan", "a.b.lan") && covers(".lan", "a.LAN"));
        assert!(!covers("*.lan", "lan") && !covers("*.lan", ".lan") && !covers("*.lan", "plan"));
        for text in ["", "*", "*.", "192.0.2.1", "a b", "*.*.lan"] {
            assert!(domain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_charset_is_a_name_of_what_is_not_found_out() {
        assert_eq!(charset("ISO-8859-15").as_deref(), Ok("iso-8859-15"));
        for text in ["utf-8", "US-ASCII", "", "a b", "a;b", "a\r\nBcc: x", "a\"b"] {
            assert!(charset(text).is_err(), "{text}");
        }
    }
}
