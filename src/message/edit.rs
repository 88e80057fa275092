//! Changes to single fields. Whatever is not the reason for a change keeps every octet.

use crate::address::{Separator, find};

/// The value of an address field with `mail_domain` behind each name that has no domain, domains in ASCII where that
/// makes the address ASCII, and a comma where only blanks separate two addresses; `None` when nothing is to be changed,
/// or when the field cannot be read.
pub(super) fn qualify(value: &[u8], mail_domain: &str) -> Option<Vec<u8>> {
    let found = find(value).ok()?;
    let mut edited = Vec::with_capacity(value.len() + 32);
    let mut at = 0;
    for one in &found {
        if one.is_unqualified() || one.is_foreign_by_domain_alone() {
            edited.extend_from_slice(&value[at..one.at.start]);
            edited.extend_from_slice(one.address(mail_domain).ok()?.as_str().as_bytes());
            at = one.at.end;
        }
        if one.separator == Separator::Blank {
            edited.extend_from_slice(&value[at..one.at.end]);
            edited.push(b',');
            at = one.at.end;
        }
    }
    if at == 0 {
        return None;
    }
    edited.extend_from_slice(&value[at..]);
    Some(edited)
}

/// Puts a field at the end of `out`. Lines of more than 998 octets are folded where they have a blank.
pub(crate) fn push_folded(field: &[u8], out: &mut Vec<u8>) {
    if field.len() <= LIMIT {
        return out.extend_from_slice(field);
    }
    for line in field.split_inclusive(|octet| *octet == b'\n') {
        let mut rest = line;
        while let Some(at) = fold(rest) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(b"\r\n");
            rest = &rest[at..];
        }
        out.extend_from_slice(rest);
    }
}

/// Where a line is to be folded: before the last blank within the limit, or the first one behind it. There is text on
/// both sides, because a line of nothing but blanks may end the header for some.
fn fold(line: &[u8]) -> Option<usize> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let text = line.trim_ascii_end();
    if text.len() <= LIMIT {
        return None;
    }
    let first = text.iter().position(|octet| !is_blank(octet))?;
    let within = text.get(first..=LIMIT).and_then(|near| near.iter().rposition(is_blank)).map(|at| first + at);
    within.or_else(|| {
        let start = first.max(LIMIT);
        text[start..].iter().position(is_blank).map(|at| start + at)
    })
}

/// Octets in a line without its end (RFC 5322 section 2.1.1).
const LIMIT: usize = super::tally::LINE_LIMIT as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unqualified_addresses_change() {
        for (value, edited) in [
            (" alice\r\n", Some(" alice@d.test\r\n")),
            (" root (Cron Daemon)\n", Some(" root@d.test (Cron Daemon)\n")),
            (" \"(Cron Daemon)\" <alice>\n", Some(" \"(Cron Daemon)\" <alice@d.test>\n")),
            (
                " a@x.test,  bob ,\n\tJoe <joe>,<c@x.test>\n",
                Some(" a@x.test,  bob@d.test ,\n\tJoe <joe@d.test>,<c@x.test>\n"),
            ),
            (" \\root\n", Some(" root@d.test\n")),
            (" a@x.test b@x.test\n", Some(" a@x.test, b@x.test\n")),
            (" root bin\n", Some(" root@d.test, bin@d.test\n")),
            (" g: bob;\n", Some(" g: bob@d.test;\n")),
            (" a@x.test, \"b c\"  <d@x.test>\n", None),
            (" a@@x.test, bob\n", None),
            (" Joe Public\n", None),
            (" undisclosed-recipients:;\n", None),
            (" Bob <bob@b\u{fc}cher.test>, c@x.test\n", Some(" Bob <bob@xn--bcher-kva.test>, c@x.test\n")),
            (" j\u{f6}s@b\u{fc}cher.test\n", None),
            ("\n", None),
        ] {
            let result = qualify(value.as_bytes(), "d.test").map(|value| String::from_utf8(value).unwrap());
            assert_eq!(result.as_deref(), edited, "{value:?}");
        }
    }

    /// P-293: octets are counted, and not characters.
    #[test]
    fn long_lines_of_utf8_are_folded_too() {
        let word = "\u{3042}".repeat(9);
        let field = format!("Subject:{}\r\n", format!(" {word}").repeat(40));
        assert!(field.chars().count() < 500 && field.len() > 1100);
        let mut out = Vec::new();
        push_folded(field.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.split("\r\n").all(|line| line.len() <= 998), "{out}");
        assert_eq!(out.replace("\r\n", ""), field.trim_end());
    }

    /// P-345 P-346, and case 51 of the sendmail face.
    #[test]
    fn long_lines_are_folded_at_blanks() {
        let ids = (0..300).map(|n| format!(" <{n:013}@x.test>")).collect::<String>();
        for field in [
            format!("References:{ids}\n"),
            format!("References:\r\n{ids}\r\n"),
            format!("X: {}{ids}\n", "y".repeat(2000)),
            format!("X: y{}\n", " ".repeat(3000)),
            format!("X:{}y\n", " ".repeat(3000)),
            format!("X: {}\n", "y".repeat(3000)),
        ] {
            let mut out = Vec::new();
            push_folded(field.as_bytes(), &mut out);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out.replace(['\r', '\n'], ""), field.replace(['\r', '\n'], ""));
            let lines: Vec<_> = out.trim_end().split('\n').map(|line| line.trim_end_matches('\r')).collect();
            assert!(lines.iter().all(|line| !line.trim().is_empty()), "{lines:?}");
            assert!(lines[1..].iter().all(|line| line.starts_with(' ')));
            assert!(lines.iter().all(|line| line.len() <= 998 || !line.trim().contains(' ') || line.contains("yyy")));
        }
    }
}
