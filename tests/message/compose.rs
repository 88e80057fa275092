//! Messages from their pieces, read back by another implementation.

use super::{alice, octets, rules, wire};
use mail_parser::{MessageParser, MimeHeaders};
use posthaste::address::{Mailbox, parse_list};
use posthaste::message::compose::{Attachment, ComposeError, Draft, Inline, Text, TextError, compose};
use posthaste::message::prepare::{Prepared, prepare};
use posthaste::message::spool::MEMORY_LIMIT;
use std::io::Write;
use std::path::PathBuf;
use tempfile::{NamedTempFile, TempDir};

fn list(text: &str) -> Vec<Mailbox> {
    parse_list(text, "").unwrap()
}

fn draft() -> Draft {
    Draft {
        from: list("Alice <alice@a.test>").pop(),
        to: list("Jös <bob@b.test>, \"X, Y\" <xy@b.test>"),
        subject: Some("Grüße".to_owned()),
        text: Some("hello\n".into()),
        ..Draft::default()
    }
}

fn composed(draft: Draft) -> Prepared {
    let identity = alice();
    prepare(compose(draft).unwrap(), &rules(&identity)).unwrap()
}

fn sent(draft: Draft) -> Vec<u8> {
    let mut prepared = composed(draft);
    wire(&mut prepared.message);
    let octets = octets(&mut prepared.message);
    for name in ["MIME-Version:", "From:", "Date:", "Message-ID:"] {
        let text = String::from_utf8_lossy(&octets);
        let header = text.split_once("\r\n\r\n").unwrap().0;
        assert_eq!(header.lines().filter(|line| line.starts_with(name)).count(), 1, "{name} in {header}");
    }
    octets
}

fn saved(directory: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn attached(path: PathBuf) -> Attachment {
    Attachment { path, name: None, content_type: None }
}

/// P-354 P-359 P-361
#[test]
fn a_text_is_read_back() {
    for text in ["hello\n", "Grüße\n", ".\n..\nFrom x\n", "a \nb\t\n", &"long ".repeat(500), ""] {
        let octets = sent(Draft { text: Some(text.into()), ..draft() });
        let message = MessageParser::new().parse(&octets).unwrap();
        assert_eq!(message.subject(), Some("Grüße"));
        let to: Vec<_> =
            message.to().unwrap().iter().map(|one| (one.name().unwrap(), one.address().unwrap())).collect();
        assert_eq!(to, [("Jös", "bob@b.test"), ("X, Y", "xy@b.test")]);
        assert_eq!(message.from().unwrap().first().unwrap().address(), Some("alice@a.test"));
        assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), text.trim_end());
    }
}

#[test]
fn line_ends_of_a_text_are_one_kind() {
    let octets = sent(Draft { text: Some("a\rb\r\nc\0d\n".into()), ..draft() });
    assert!(octets.ends_with(b"\r\n\r\na\r\nb\r\ncd\r\n"), "{}", octets.escape_ascii());
}

/// P-356 P-358 P-360
/// A text of any size is sent, and is not held in memory.
#[test]
fn a_long_text_is_read_back() {
    for (line, encoding) in [
        (
            "all ASCII
",
            "7bit",
        ),
        (
            "Grüße
", "base64",
        ),
        (&*"x".repeat(999_999), "base64"),
    ] {
        let text = line.repeat(3 * MEMORY_LIMIT / line.len());
        let long = Text::read(text.as_bytes()).unwrap();
        assert!(matches!(long, Text::Long(_)));
        let octets = sent(Draft { text: Some(long), ..draft() });
        let label = format!("Content-Transfer-Encoding: {encoding}\r\n");
        assert!(octets.windows(label.len()).any(|window| window == label.as_bytes()), "{encoding}");
        let message = MessageParser::new().parse(&octets).unwrap();
        assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), text.trim_end());
    }
    assert!(matches!(Text::read(&b"short"[..]).unwrap(), Text::Short(text) if text == "short"));
    let mut latin = vec![b'a'; 2 * MEMORY_LIMIT];
    latin.push(0xe4);
    assert!(matches!(Text::read(&latin[..]), Err(TextError::NotUtf8)));
    assert!(matches!(Text::read(&b"\xe4"[..]), Err(TextError::NotUtf8)));
}

#[test]
fn parts_are_nested_and_read_back() {
    let directory = TempDir::new().unwrap();
    let binary: Vec<u8> = (0..77_777u32).map(|n| (n * 7 % 256) as u8).collect();
    let draft = Draft {
        html: Some("<img src=\"cid:logo\">".into()),
        inline: vec![Inline {
            path: saved(&directory, "logo.png", b"PNG"),
            cid: "logo".to_owned(),
            content_type: None,
        }],
        attachments: vec![
            attached(saved(&directory, "a.pdf", &binary)),
            attached(saved(&directory, "Übersicht €.txt", "ä\n".as_bytes())),
            attached(saved(&directory, "latin.txt", b"\xe4\n")),
            attached(saved(&directory, "empty.bin", b"")),
            Attachment {
                path: saved(&directory, "x", b"{}"),
                name: Some("y.json".to_owned()),
                content_type: Some("application/x-own; a=b".to_owned()),
            },
        ],
        ..draft()
    };
    let octets = sent(draft);
    assert!(String::from_utf8_lossy(&octets).lines().all(|line| line.len() <= 78));
    let message = MessageParser::new().parse(&octets).unwrap();
    let types: Vec<String> = message
        .parts
        .iter()
        .map(|part| {
            let content_type = part.content_type().unwrap();
            format!("{}/{}", content_type.ctype(), content_type.subtype().unwrap())
        })
        .collect();
    assert_eq!(
        types,
        [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png",
            "application/pdf",
            "text/plain",
            "text/plain",
            "application/octet-stream",
            "application/x-own",
        ]
    );
    assert_eq!(message.parts[5].content_id(), Some("logo"));
    assert_eq!(message.parts[6].contents(), binary);
    assert_eq!(message.parts[6].attachment_name(), Some("a.pdf"));
    assert_eq!(message.parts[7].attachment_name(), Some("Übersicht €.txt"));
    let charset = |part: usize| message.parts[part].content_type().unwrap().attribute("charset");
    assert_eq!((charset(7), charset(8)), (Some("utf-8"), None));
    assert!(message.parts[9].contents().is_empty());
    assert_eq!(message.parts[10].attachment_name(), Some("y.json"));
}

#[test]
fn a_file_alone_is_an_attachment() {
    let directory = TempDir::new().unwrap();
    let attachments = vec![attached(saved(&directory, "a.bin", b"abc"))];
    let octets = sent(Draft { text: None, attachments, ..draft() });
    let message = MessageParser::new().parse(&octets).unwrap();
    assert_eq!((message.parts.len(), message.attachment(0).unwrap().contents()), (2, &b"abc"[..]));
}

/// P-251 P-357: a message is not encoded, and the labels around it are true.
#[test]
fn a_message_is_attached_as_it_is() {
    let directory = TempDir::new().unwrap();
    for (text, encoding) in [("Subject: s\n\nascii\n", "7bit"), ("Subject: s\n\n\u{e4}\n", "8bit")] {
        let attachments = vec![attached(saved(&directory, "m.eml", text.as_bytes()))];
        let octets = sent(Draft { attachments, ..draft() });
        let sent = String::from_utf8(octets).unwrap();
        let label = format!("Content-Transfer-Encoding: {encoding}\r\n");
        let (header, parts) = sent.split_once("\r\n\r\n").unwrap();
        assert!(format!("{header}\r\n").contains(&label), "{sent}");
        assert!(parts.contains(&format!("Content-Type: message/rfc822\r\n{label}")), "{sent}");
        assert!(sent.contains(&format!("\r\n\r\n{text}\r\n--")));
    }
}

/// A large file is not held in memory, and is sent whole.
#[test]
fn a_large_attachment_is_sent_whole() {
    let mut file = NamedTempFile::new().unwrap();
    let block: Vec<u8> = (0..65_537u32).map(|n| (n % 251) as u8).collect();
    (0..64).for_each(|_| file.write_all(&block).unwrap());
    let octets = sent(Draft { attachments: vec![attached(file.path().to_owned())], ..draft() });
    let message = MessageParser::new().parse(&octets).unwrap();
    assert_eq!(message.attachment(0).unwrap().contents(), block.repeat(64));
}

/// P-347: who gets a blind copy is in the envelope alone.
#[test]
fn bcc_is_not_written() {
    let draft = Draft { bcc: list("c@c.test"), cc: list("d@d.test"), ..draft() };
    let all: Vec<_> = draft.recipients().iter().map(|address| address.to_string()).collect();
    assert_eq!(all, ["bob@b.test", "xy@b.test", "d@d.test", "c@c.test"]);
    let sent = String::from_utf8(sent(draft)).unwrap();
    assert!(!sent.contains("c@c.test") && !sent.to_lowercase().contains("bcc"));
}

/// P-353
#[test]
fn no_piece_makes_a_field_of_its_own() {
    let directory = TempDir::new().unwrap();
    let path = saved(&directory, "a.txt", b"a");
    let header = |name: &str, value: &str| Draft { headers: vec![(name.to_owned(), value.to_owned())], ..draft() };
    let file = |name: &str, content_type: &str| Draft {
        attachments: vec![Attachment {
            path: path.clone(),
            name: Some(name.to_owned()),
            content_type: Some(content_type.to_owned()),
        }],
        ..draft()
    };
    let mut named = draft();
    named.to[0].name = Some("a\r\nBcc: x@y".to_owned());
    for bad in [
        Draft { subject: Some("a\nBcc: x@y".to_owned()), ..draft() },
        Draft { subject: Some("a\r".to_owned()), ..draft() },
        header("X: a\r\nBcc", "b"),
        header("X", "a\r\nBcc: x@y"),
        header("X", "a\0"),
        header("", "a"),
        header("X Y", "a"),
        header("X:", "a"),
        header("bcc", "x@y"),
        header("To", "x@y"),
        header("content-type", "text/html"),
        header("Mime-Version", "1.0"),
        named,
        file("a\r\nb", "text/plain"),
        file("a", "text/plain\r\nX: y"),
        file("a", "text/plain; a=b\nX: y"),
        file("a", "multipart/mixed; boundary=x"),
        file("a", "text"),
        Draft { inline: vec![Inline { path: path.clone(), cid: "a>\r\nX".to_owned(), content_type: None }], ..draft() },
    ] {
        let shown = format!("{bad:?}");
        assert!(compose(bad).is_err(), "{shown}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Draft { attachments: vec![attached(PathBuf::from("no/such/file"))], ..draft() };
    assert!(compose(missing).unwrap_err().to_string().contains("no/such/file"));
    let directory = Draft { attachments: vec![attached(PathBuf::from("."))], ..draft() };
    assert!(matches!(compose(directory), Err(ComposeError::File { .. })));
}

#[test]
fn own_fields_are_written() {
    let long = format!("<{}@x.test>", "i".repeat(60));
    let references = vec![long.as_str(); 30].join(" ");
    let headers = [
        ("X-Own", "Wert: ü"),
        ("References", &*references),
        ("Date", "Tue, 1 Sep 2026 12:00:00 +0200"),
        ("message-ID", "<a@b>"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut prepared = composed(Draft { headers, ..draft() });
    let (header, _) = wire(&mut prepared.message);
    assert_eq!(header.to_lowercase().matches("date:").count(), 1);
    assert_eq!(header.to_lowercase().matches("message-id:").count(), 1);
    assert!(header.replace("\r\n ", " ").contains(&references));
    assert!(header.contains("X-Own: =?utf-8?"));
    assert!(header.lines().all(|line| line.len() <= 998));
}
