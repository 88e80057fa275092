//! What became of the fields of a header, where nobody kept a record.

use std::collections::HashMap;

use super::{Change, Rule};
use crate::message::header::{Field, fields};

/// The fields that are in one header alone, as changes by a rule: additions first, then what was changed or taken away, in
/// the order of the old header. Line ends make no difference.
pub fn difference(rule: Rule, before: &[u8], after: &[u8]) -> Vec<Change> {
    let [before, after] = [before, after].map(|head| {
        let end = if head.ends_with(b"\n\r\n") { head.len() - 2 } else { head.len() };
        &head[..end]
    });
    let (old, new) = (fields(before), fields(after));
    let text = |head: &[u8], field: &Field| -> Vec<u8> {
        head[field.whole()].iter().copied().filter(|octet| *octet != b'\r').collect()
    };
    let mut left: HashMap<Vec<u8>, usize> = HashMap::new();
    new.iter().for_each(|field| *left.entry(text(after, field)).or_default() += 1);
    let gone: Vec<&Field> = old
        .iter()
        .filter(|field| match left.get_mut(&text(before, field)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect();
    // Of equal fields the last ones are new: what is added by us stands on top, and is equal to none.
    let mut come: Vec<Option<&Field>> = new
        .iter()
        .map(|field| match left.get_mut(&text(after, field)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                Some(field)
            }
            _ => None,
        })
        .collect();
    let mut by_name: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (index, field) in come.iter().enumerate().rev() {
        if let Some(field) = field {
            by_name.entry(after[field.name.clone()].to_ascii_lowercase()).or_default().push(index);
        }
    }
    let changed: Vec<Change> = gone
        .into_iter()
        .map(|field| {
            let index = by_name.get_mut(&before[field.name.clone()].to_ascii_lowercase()).and_then(Vec::pop);
            let now = index.and_then(|index| come[index].take()).map(|field| after[field.whole()].to_vec());
            Change { rule, before: Some(before[field.whole()].to_vec()), after: now }
        })
        .collect();
    let added =
        come.iter().flatten().map(|field| Change { rule, before: None, after: Some(after[field.whole()].to_vec()) });
    added.chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_compared_as_wholes() {
        let before = b"From: root\nTo: a@x.test,\n\tb@x.test\nBcc: c@x.test\nX: 1\nX: 1\nX: 2\n";
        let after = b"Date: d\r\nFrom: root@d.test\r\nTo: a@x.test,\r\n\tb@x.test\r\nX: 1\r\nX: 1\r\n\r\n";
        let changes: Vec<(String, String)> = difference(Rule::Header, before, after)
            .into_iter()
            .map(|change| {
                [change.before, change.after].map(|text| String::from_utf8(text.unwrap_or_default()).unwrap())
            })
            .map(|[before, after]| (before, after))
            .collect();
        let expected =
            [("", "Date: d\r\n"), ("From: root\n", "From: root@d.test\r\n"), ("Bcc: c@x.test\n", ""), ("X: 2\n", "")];
        assert_eq!(changes, expected.map(|(before, after)| (before.to_owned(), after.to_owned())));
        assert_eq!(difference(Rule::Header, before, before), []);
    }
}
