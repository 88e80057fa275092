//! Trouble on demand, by local part; see `Faults::ByLocalPart`.

use super::answer::Answer;

/// What an address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub when: When,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// In the reply to the command that has the address.
    AtOnce,
    /// In the reply to the end of data.
    AtEndOfData,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Reply(Answer),
    Drop,
}

/// Reads a local part; most ask for nothing.
pub(super) fn asked_for(local_part: &str) -> Option<Fault> {
    let (when, rest) = match local_part.strip_prefix("data-") {
        Some(rest) => (When::AtEndOfData, rest),
        None => (When::AtOnce, local_part),
    };
    if rest == "drop" {
        return Some(Fault { when, what: What::Drop });
    }
    let (class, digits) = match rest.split_once('-')? {
        ("refuse", digits) => (5, digits),
        ("defer", digits) => (4, digits),
        _ => return None,
    };
    let code: u16 = digits.parse().ok().filter(|_| digits.len() == 3)?;
    // The second digit of a reply code is at most 5 (RFC 5321 section 4.2.1).
    if code / 100 != class || code / 10 % 10 > 5 {
        return None;
    }
    let (subject, detail) = match code {
        421 => (3, 2),
        450 => (2, 1),
        550 => (1, 1),
        452 | 552 => (2, 2),
        553 => (1, 3),
        _ => (0, 0),
    };
    let text = if class == 5 { "refused, as the address asked" } else { "not now, as the address asked" };
    Some(Fault { when, what: What::Reply(Answer::new(code, subject, detail, text)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_local_parts_ask_for_trouble() {
        for (local_part, code) in [
            ("refuse-550", Some((When::AtOnce, 550))),
            ("defer-451", Some((When::AtOnce, 451))),
            ("data-refuse-554", Some((When::AtEndOfData, 554))),
            ("data-defer-421", Some((When::AtEndOfData, 421))),
            ("refuse-451", None),
            ("defer-550", None),
            ("refuse-0550", None),
            ("refuse-+50", None),
            ("refuse-599", None),
            ("refuse", None),
            ("refuse-", None),
            ("data-", None),
            ("alice", None),
        ] {
            let found = asked_for(local_part).map(|fault| match fault.what {
                What::Reply(answer) => (fault.when, answer.code),
                What::Drop => (fault.when, 0),
            });
            assert_eq!(found, code, "{local_part}");
        }
        assert_eq!(asked_for("drop"), Some(Fault { when: When::AtOnce, what: What::Drop }));
        assert_eq!(asked_for("data-drop"), Some(Fault { when: When::AtEndOfData, what: What::Drop }));
    }
}
