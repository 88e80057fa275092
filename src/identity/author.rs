//! `rewrite-from`: the account's address in From, and the author who stood there in the name or in Reply-To.

use super::header::{Edited, edit, replaced};
use super::{Rule, Rules};
use crate::address::{Address, find, is_atext};
use crate::config::account::KeepOriginal;
use crate::message::header::{Field, fields};
use crate::message::phrase;

/// Gives From an author that the server takes, and Sender likewise. In a message that is sent on, Resent-From and
/// Resent-Sender say who does it, and From remains who wrote it (RFC 5322 section 3.6.6).
pub(super) fn rewrite(rules: &Rules<'_>, head: &[u8]) -> Option<Edited> {
    let (keep, own) = rules.account.identity.rewrite_from.as_ref()?;
    let all = fields(head);
    let is_resent = all.iter().any(|field| field.is(head, "Resent-From"));
    let [from, sender] = if is_resent { ["Resent-From", "Resent-Sender"] } else { ["From", "Sender"] };
    let is_empty = |field: &Field| head[field.value.clone()].trim_ascii().is_empty();
    let answers: Vec<&Field> = all.iter().filter(|field| field.is(head, "Reply-To")).collect();
    let place = match answers.iter().all(|field| is_empty(field)) {
        true if answers.is_empty() => Place::NewField,
        true => Place::EmptyField,
        false => Place::Taken,
    };
    let mut keep = match (is_resent, keep) {
        (false, KeepOriginal::InReplyTo) => Keep::InReplyTo(place),
        // There is no field for answers to whoever sends a message on.
        _ => Keep::InName,
    };
    edit(head, Rule::RewriteFrom, |field, value| {
        if field.is(head, sender) {
            return replaced(value, rules, Rule::RewriteFrom).map(|value| (value, None));
        }
        if let Keep::InReplyTo(place @ Place::EmptyField) = &mut keep
            && field.is(head, "Reply-To")
        {
            // A second one would be one too many (RFC 5322 section 3.6).
            let values = all.iter().filter(|field| field.is(head, from)).map(|field| &head[field.value.clone()]);
            let author = values.into_iter().find(|value| {
                let author = Author::read(rules, value);
                author.is_readable && !author.is_own
            })?;
            *place = Place::Taken;
            return Some(([author.trim_ascii_end(), b"\r\n"].concat(), None));
        }
        if !field.is(head, from) {
            return None;
        }
        let author = Author::read(rules, value);
        if author.is_own {
            return None;
        }
        let column = field.name.len() + ": ".len();
        match &mut keep {
            Keep::InReplyTo(place) if author.is_readable => {
                let text = value.trim_ascii_end();
                let answers = [b"Reply-To:", text, b"\r\n"].concat();
                let alone = if author.labels.len() == 1 { replaced(value, rules, Rule::RewriteFrom) } else { None };
                let value = alone.unwrap_or_else(|| author.named(own, column));
                let added = (*place == Place::NewField).then_some(answers);
                if added.is_some() {
                    *place = Place::Taken;
                }
                Some((value, added))
            }
            _ => Some((author.named(own, column), None)),
        }
    })
}

/// Where the original author goes.
enum Keep {
    InName,
    InReplyTo(Place),
}

/// Where there is room for the author in Reply-To.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    NewField,
    /// In one that is there, and says nothing.
    EmptyField,
    /// Nowhere: the message says itself who gets the answers.
    Taken,
}

/// Who stands in a From.
struct Author {
    is_own: bool,
    /// Whether all of it is addresses.
    is_readable: bool,
    labels: Vec<Label>,
}

/// What a reader is told of one author: `Cron Daemon on nas1`, `Bob (bob@example.net)`.
struct Label {
    name: String,
    behind: String,
}

impl Author {
    fn read(rules: &Rules<'_>, value: &[u8]) -> Author {
        let domain = &rules.account.mail_domain;
        let found = find(value).unwrap_or_default();
        let read = found.iter().map(|one| (one.name.clone(), one.address(domain).ok()));
        let read: Vec<(Option<String>, Option<Address>)> = read.collect();
        let is_readable = !read.is_empty() && read.iter().all(|(_, address)| address.is_some());
        let is_own = is_readable && read.iter().flat_map(|(_, address)| address).all(|address| rules.is_own(address));
        let mut labels: Vec<Label> = read.into_iter().take(LABELS).filter_map(|one| Label::of(rules, one)).collect();
        if labels.is_empty() {
            let text = String::from_utf8_lossy(value).split_whitespace().collect::<Vec<_>>().join(" ");
            labels.push(Label { name: text, behind: format!("on {}", rules.host()) });
        }
        Author { is_own, is_readable, labels }
    }

    /// The value of the new From.
    fn named(&self, own: &Address, column: usize) -> Vec<u8> {
        let mut value = vec![b' '];
        match &self.labels[..] {
            // In quotes, encoded words would be read as they stand.
            [Label { name, behind }] if is_encoded(name) => {
                let is_phrase = behind.bytes().all(|octet| octet == b' ' || is_atext(&octet));
                let behind = if is_phrase { behind.clone() } else { phrase::quoted(behind) };
                value.extend(format!("{name} {behind} <{own}>").trim_start().bytes());
            }
            labels => {
                let names: Vec<String> =
                    labels.iter().map(|label| format!("{} {}", label.name, label.behind).trim().to_owned()).collect();
                value.extend(phrase::mailbox(Some(&names.join(", ")), own, column));
            }
        }
        value.extend_from_slice(b"\r\n");
        value
    }
}

impl Label {
    fn of(rules: &Rules<'_>, (name, address): (Option<String>, Option<Address>)) -> Option<Label> {
        let address = address?;
        if rules.is_here(&address) {
            let name = name.unwrap_or_else(|| address.local().trim_matches('"').to_owned());
            return Some(Label { name, behind: format!("on {}", rules.host()) });
        }
        Some(match name {
            Some(name) => Label { name, behind: format!("({address})") },
            None => Label { name: address.as_str().to_owned(), behind: String::new() },
        })
    }
}

/// Whether a name has encoded words (RFC 2047), and nothing that would have to be quoted.
fn is_encoded(name: &str) -> bool {
    name.contains("=?") && name.len() <= LONGEST && name.bytes().all(|octet| octet == b' ' || is_atext(&octet))
}

/// A name has no more octets, so that the line is short enough.
const LONGEST: usize = 250;
/// So many authors are named.
const LABELS: usize = 5;
