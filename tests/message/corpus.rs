//! Messages as they are found, whole and broken, in `corpus/`: what is not meant to be changed keeps every octet. Which fields
//! are added (`+`), taken away (`-`) and mended (`~`) in each stands in `corpus/changes`; that a mended one has only changed as
//! it may is checked here, without the program's own reader.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{framed, octets, prepared};

/// A message: the lines of its header, folds and all, and its body, both with CRLF.
#[derive(Debug, PartialEq)]
struct Plain {
    fields: Vec<Vec<u8>>,
    body: Vec<u8>,
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/message/corpus");
    let paths = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let messages = paths.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut all: Vec<_> = messages.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
    all.sort();
    all
}

#[test]
fn nothing_changes_but_what_is_meant_to() {
    let listed = include_str!("corpus/changes");
    let corpus = corpus();
    assert!(corpus.len() >= 150, "{} messages", corpus.len());
    let mut found = String::new();
    for (name, input) in &corpus {
        let changes = changes(name, input);
        writeln!(found, "{name}:{changes}").unwrap();
    }
    let is_new = |line: &&str| !listed.lines().any(|known| known == *line);
    let new: Vec<&str> = found.lines().filter(is_new).collect();
    assert!(new.is_empty(), "not as corpus/changes says:\n{}", new.join("\n"));
    assert_eq!(listed.lines().count(), found.lines().count());
}

/// P-346: more fields than a mail ever has.
#[test]
fn ten_thousand_fields_are_kept() {
    let fields: String = (0..10_000).map(|n| format!("Received: from h{n} by h{}\n\tid {n}; x\n", n + 1)).collect();
    assert_eq!(changes("received", format!("{fields}\nb\n").as_bytes()), " +Date +From +Message-ID");
}

/// What becomes of a message, in the words of `corpus/changes`.
fn changes(name: &str, input: &[u8]) -> String {
    let mut message = prepared(input, |_| {}).message;
    let (wire, _) = framed(&octets(&mut message));
    let before = read(input);
    let after = split_wire(&wire);
    let mut changes = String::new();
    // What is added stands on top.
    let mut left = after.fields.as_slice();
    let is_kept = |field: &[u8]| before.fields.iter().any(|old| old == field || allowed(old, field).is_some());
    while let Some((first, rest)) = left.split_first()
        && !is_kept(first)
    {
        let added = name_of(first);
        assert!(ADDED.contains(&&*added), "{name}: added {}", first.escape_ascii());
        let has_value =
            |old: &&Vec<u8>| name_of(old).eq_ignore_ascii_case(&added) && !value_of(old).trim_ascii().is_empty();
        // That of a body that is encoded takes the place of the old one.
        assert!(
            added == "Content-Transfer-Encoding" || !before.fields.iter().any(|old| has_value(&old)),
            "{name}: {added} was there"
        );
        write!(changes, " +{added}").unwrap();
        left = rest;
    }
    for old in &before.fields {
        match left.split_first() {
            Some((new, rest)) if new == old => left = rest,
            Some((new, rest)) if allowed(old, new).is_some() => {
                write!(changes, " ~{}({})", name_of(new), allowed(old, new).unwrap()).unwrap();
                left = rest;
            }
            _ => {
                assert!(
                    may_go(old),
                    "{name}: lost {}, before {:?}",
                    old.escape_ascii(),
                    left.first().map(|it| it.escape_ascii().to_string())
                );
                write!(changes, " -{}", name_of(old)).unwrap();
            }
        }
    }
    assert!(left.is_empty(), "{name}: {}", left[0].escape_ascii());
    if after.body != before.body {
        let is_long = before.body.split(|octet| *octet == b'\n').any(|line| line.len() > 999);
        assert!(is_long, "{name}: the body changed: {}", after.body.escape_ascii());
        let parsed = mail_parser::MessageParser::default().parse(&wire).unwrap();
        let is_html = wire.windows(9).any(|nine| nine == b"text/html");
        let decoded = if is_html { parsed.body_html(0) } else { parsed.body_text(0) };
        let decoded = decoded.unwrap().replace("\r\n", "\n");
        assert_eq!(
            decoded.trim_end(),
            String::from_utf8_lossy(&before.body).replace("\r\n", "\n").trim_end(),
            "{name}"
        );
        changes.push_str(" ~body(encoded)");
    }
    changes
}

const ADDED: [&str; 9] = [
    "Date",
    "From",
    "Message-ID",
    "Resent-Date",
    "Resent-From",
    "Resent-Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// Fields that are for nobody else, and those that are empty where that says something wrong.
fn may_go(field: &[u8]) -> bool {
    let name = name_of(field).to_ascii_lowercase();
    let is_empty = value_of(field).trim_ascii().is_empty();
    let is_label = name == "content-transfer-encoding";
    ["bcc", "resent-bcc", "return-path", "content-length"].contains(&&*name)
        || (is_empty && ["to", "cc", "from", "date", "message-id"].contains(&&*name))
        || is_label
}

/// How a field may have become another, if it may.
fn allowed(old: &[u8], new: &[u8]) -> Option<&'static str> {
    if name_of(old) != name_of(new) {
        return None;
    }
    let colon = |field: &[u8]| field.iter().position(|octet| *octet == b':').unwrap();
    let old_tight = [name_of(old).as_bytes(), &old[colon(old)..]].concat();
    let unfolded =
        |field: &[u8]| field.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect::<Vec<_>>();
    if old_tight == new {
        return Some("blank");
    }
    let is_long = old.split(|octet| *octet == b'\n').any(|line| line.len() > 999);
    if is_long && unfolded(&old_tight) == unfolded(new) {
        return Some("folded");
    }
    let addressed =
        ["from", "to", "cc", "reply-to", "sender", "resent-from", "resent-to", "resent-cc", "resent-sender"];
    if !addressed.contains(&&*name_of(old).to_ascii_lowercase()) {
        return None;
    }
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let (old_text, new_text) = (text(&old_tight), text(new));
    // A domain behind a name, and a comma between two addresses: take them out, and the rest is what it was.
    let without = |text: &str| text.replace("@example.org", "").replace([',', '\\'], "");
    if without(&old_text) == without(&new_text) {
        return Some("domain");
    }
    if old_text.trim_end().ends_with(" alice") && new_text.contains(" Alice Alice Co <alice@example.org>") {
        return Some("name");
    }
    let domain_mapped = old_text.replace("b\u{fc}cher.test", "xn--bcher-kva.test") == new_text;
    domain_mapped.then_some("A-label")
}

fn name_of(field: &[u8]) -> String {
    let name = field.split(|octet| *octet == b':').next().unwrap();
    String::from_utf8_lossy(name).trim_end_matches([' ', '\t']).to_owned()
}

fn value_of(field: &[u8]) -> &[u8] {
    field.iter().position(|octet| *octet == b':').map_or(&[], |colon| &field[colon + 1..])
}

/// The message on the wire, where all lines end in CRLF and there is a blank one.
fn split_wire(wire: &[u8]) -> Plain {
    let mut plain = Plain { fields: Vec::new(), body: Vec::new() };
    let mut rest = wire;
    loop {
        let end = rest.iter().position(|octet| *octet == b'\n').expect("a blank line") + 1;
        let (line, behind) = rest.split_at(end);
        assert!(line.ends_with(b"\r\n") && !line[..end - 2].contains(&b'\r'), "{}", line.escape_ascii());
        rest = behind;
        match line[0] {
            b'\r' => break,
            b' ' | b'\t' => plain.fields.last_mut().unwrap().extend_from_slice(line),
            _ => plain.fields.push(line.to_vec()),
        }
    }
    plain.body = rest.to_vec();
    plain
}

/// A message as it came, by the rules of the manual: NULs go, CRs at the ends of lines too; others become a blank in the header
/// and a line end in the body; lines of mbox files go; the header ends at the first line that is no field.
fn read(input: &[u8]) -> Plain {
    let input: Vec<u8> = input.iter().copied().filter(|octet| *octet != 0).collect();
    let mut plain = Plain { fields: Vec::new(), body: Vec::new() };
    let mut rest = input.as_slice();
    // An editor's mark before a field is none of the message's.
    if let Some(marked) = rest.strip_prefix(b"\xef\xbb\xbf")
        && is_field(marked.split(|octet| *octet == b'\n').next().unwrap_or_default())
    {
        rest = marked;
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
        let line = rest[..end].strip_suffix(b"\n").unwrap_or(&rest[..end]);
        let text = &line[..line.iter().rposition(|octet| *octet != b'\r').map_or(0, |at| at + 1)];
        let is_continuation = !plain.fields.is_empty() && text.first().is_some_and(|octet| b" \t".contains(octet));
        let fit: Vec<u8> = text.iter().map(|octet| if *octet == b'\r' { b' ' } else { *octet }).collect();
        let fit = [&fit[..], b"\r\n"].concat();
        if text.is_empty() {
            rest = &rest[end..];
            break;
        } else if is_continuation {
            plain.fields.last_mut().unwrap().extend(fit);
        } else if is_field(text) {
            plain.fields.push(fit);
        } else if plain.fields.is_empty() && is_mbox(text) {
        } else {
            break;
        }
        rest = &rest[end..];
    }
    let mut at = 0;
    while at < rest.len() {
        let run = rest[at..].iter().take_while(|octet| **octet == b'\r').count();
        let ends = match rest.get(at + run) {
            Some(b'\n') => (run + 1, 1),
            // At the end of the text they belong to its last line.
            None => (run, 1),
            Some(_) => (run, run),
        };
        if run == 0 && rest[at] != b'\n' {
            plain.body.push(rest[at]);
            at += 1;
            continue;
        }
        plain.body.extend(b"\r\n".repeat(ends.1));
        at += ends.0;
    }
    if !plain.body.is_empty() && !plain.body.ends_with(b"\n") {
        plain.body.extend(b"\r\n");
    }
    plain
}

fn is_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|octet| (b'!'..=b'~').contains(*octet) && **octet != b':').count();
    let blanks = line[name..].iter().take_while(|octet| b" \t".contains(octet)).count();
    (1..=100).contains(&name) && line.get(name + blanks) == Some(&b':') && !line.starts_with(b"--")
}

fn is_mbox(line: &[u8]) -> bool {
    let marks = line.iter().take_while(|octet| **octet == b'>').count();
    line[marks..].starts_with(b"From ")
}
