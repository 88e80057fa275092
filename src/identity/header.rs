//! Addresses in the fields of a header. What is not an address that changes keeps every octet.

use super::{Change, Rule, Rules};
use crate::address::{Address, find};
use crate::message::edit::push_folded;
use crate::message::header::{Field, fields};

/// A header in which something was changed.
pub(super) struct Edited {
    pub(super) head: Vec<u8>,
    pub(super) changes: Vec<Change>,
}

/// Fields that name who sends.
const SENDERS: [&str; 6] = ["From", "Sender", "Reply-To", "Resent-From", "Resent-Sender", "Resent-Reply-To"];
/// Fields that name who gets it.
const RECIPIENTS: [&str; 4] = ["To", "Cc", "Resent-To", "Resent-Cc"];

/// An alias that stands for more is not written out.
const MOST: usize = 100;

/// Replaces addresses as a rule says: those of the sender, and by `masquerade` those of recipients as well.
pub(super) fn replace(head: &[u8], rules: &Rules<'_>, rule: Rule) -> Option<Edited> {
    let names: &[&[&str]] = if rule == Rule::Masquerade { &[&SENDERS, &RECIPIENTS] } else { &[&SENDERS] };
    edit(head, rule, |field, value| {
        let is_named = names.iter().copied().flatten().any(|name| field.is(head, name));
        is_named.then(|| replaced(value, rules, rule)).flatten().map(|value| (value, None))
    })
}

/// A value with each address replaced that the rule is about; `None` where there is none, or it cannot be read.
pub(super) fn replaced(value: &[u8], rules: &Rules<'_>, rule: Rule) -> Option<Vec<u8>> {
    write(value, &|address, _| Some(rules.address(rule, &address)?.as_str().to_owned()), &rules.account.mail_domain)
}

/// Replaces names that stand for others in the fields of recipients.
pub(super) fn expand(
    header: &[u8],
    mail_domain: &str,
    expand: &dyn Fn(Address) -> Option<Vec<Address>>,
) -> Option<Edited> {
    let stands_for = |address: Address, is_alone: bool| {
        let found = expand(address)?;
        // Between angle brackets there is room for one.
        let fits = (1..=if is_alone { 1 } else { MOST }).contains(&found.len());
        fits.then(|| found.iter().map(Address::as_str).collect::<Vec<_>>().join(", "))
    };
    edit(header, Rule::Aliases, |field, value| {
        let is_named = RECIPIENTS.iter().any(|name| field.is(header, name));
        is_named.then(|| write(value, &stands_for, mail_domain)).flatten().map(|value| (value, None))
    })
}

/// A value with other texts in the place of addresses; `None` where nothing is replaced. `text` is told whether the
/// address stands in angle brackets.
fn write(value: &[u8], text: &dyn Fn(Address, bool) -> Option<String>, mail_domain: &str) -> Option<Vec<u8>> {
    let found = find(value).ok()?;
    let mut edited = Vec::with_capacity(value.len() + 32);
    let mut at = 0;
    for one in &found {
        let Ok(address) = one.address(mail_domain) else { continue };
        let is_in_brackets = value[..one.at.start].trim_ascii_end().ends_with(b"<");
        let Some(new) = text(address, is_in_brackets) else { continue };
        if value[one.at.clone()] == *new.as_bytes() {
            continue;
        }
        edited.extend_from_slice(&value[at..one.at.start]);
        edited.extend_from_slice(new.as_bytes());
        at = one.at.end;
    }
    if at == 0 {
        return None;
    }
    edited.extend_from_slice(&value[at..]);
    Some(edited)
}

/// Gives each field a new value where `change` has one, and another field behind it where it has that; `None` where
/// nothing changes.
pub(super) fn edit(
    head: &[u8],
    rule: Rule,
    mut change: impl FnMut(&Field, &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)>,
) -> Option<Edited> {
    // The empty line at the end would count to the last field.
    let end = if head.ends_with(b"\n\r\n") { head.len() - 2 } else { head.len() };
    let mut edited = Edited { head: Vec::with_capacity(head.len() + 256), changes: Vec::new() };
    let mut at = 0;
    for field in fields(&head[..end]) {
        let Some((value, added)) = change(&field, &head[field.value.clone()]) else { continue };
        edited.head.extend_from_slice(&head[at..field.whole().start]);
        let start = edited.head.len();
        push_folded(&[&head[field.name.start..field.value.start], &value].concat(), &mut edited.head);
        let (before, after) = (Some(head[field.whole()].to_vec()), Some(edited.head[start..].to_vec()));
        edited.changes.push(Change { rule, before, after });
        if let Some(added) = added {
            let start = edited.head.len();
            push_folded(&added, &mut edited.head);
            edited.changes.push(Change { rule, before: None, after: Some(edited.head[start..].to_vec()) });
        }
        at = field.whole().end;
    }
    if edited.changes.is_empty() {
        return None;
    }
    edited.head.extend_from_slice(&head[at..]);
    Some(edited)
}
