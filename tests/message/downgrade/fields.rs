//! Header fields with octets above 127.

use super::{
    DowngradeError, Extent, Fields, Goal, HeaderText, Refusal, coarse, framed, octets, reencode, refusal, seven_bit,
};
use mail_parser::MessageParser;
use proptest::prelude::*;

/// The field in the message that is sent.
fn field(field: &[u8]) -> String {
    let text = seven_bit(&[field, b"\n\nb\n"].concat());
    text.strip_suffix("\n\nb\n").unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// P-253 P-359
#[test]
fn text_becomes_encoded_words() {
    for (before, after) in [
        ("Subject: Grüße", "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?="),
        ("Subject:Grüße aus Köln und so", "Subject:=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?= und so"),
        ("Subject: [list] Grüße\n aus Köln", "Subject: [list] =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?="),
        ("X-Something: ö", "X-Something: =?utf-8?Q?=C3=B6?="),
        // A blank between encoded words is none.
        ("Subject: =?utf-8?Q?a?= ö", "Subject: =?utf-8?Q?a?= =?utf-8?Q?_=C3=B6?="),
        ("Subject: ö =?utf-8?Q?a?= b", "Subject: =?utf-8?Q?=C3=B6_?= =?utf-8?Q?a?= b"),
        ("Subject: ö =?utf-8?Q?a?= ö", "Subject: =?utf-8?Q?=C3=B6_?= =?utf-8?Q?a?=\n =?utf-8?Q?_=C3=B6?="),
        ("Subject: Привет", "Subject: =?utf-8?B?0J/RgNC40LLQtdGC?="),
        (
            "From: Jörg Müller <j@x.test>, \"M\\\"ü, x\" (Köln) <m@x.test>,\n plain <p@x.test>",
            "From: =?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <j@x.test>,\n =?utf-8?Q?M=22=C3=BC=2C_x?= (=?utf-8?Q?K=C3=B6ln?=) <m@x.test>,\n plain <p@x.test>",
        ),
        ("To: Größe: a@x.test, b@x.test;", "To: =?utf-8?Q?Gr=C3=B6=C3=9Fe?=: a@x.test,\n b@x.test;"),
        ("Cc: a@x.test (ö)", "Cc: a@x.test (=?utf-8?Q?=C3=B6?=)"),
        (
            "Content-Disposition: attachment; filename=\"Grüße aus.txt\"; size=3",
            "Content-Disposition: attachment;\n filename*=utf-8''Gr%C3%BC%C3%9Fe%20aus.txt; size=3",
        ),
        (
            "Content-Disposition: attachment; filename=ö; filename*=utf-8''%C3%B6",
            "Content-Disposition: attachment; filename=\"__\"; filename*=utf-8''%C3%B6",
        ),
    ] {
        assert_eq!(field(before.as_bytes()), after);
    }
    assert_eq!(field(b"Subject: Gr\xfc\xdfe"), "Subject: =?unknown-8bit?Q?Gr=FC=DFe?=");
    let declared = b"Subject: Gr\xfc\xdfe\nContent-Type: text/plain; charset=ISO-8859-1; x=\"\xfc\"";
    assert_eq!(
        field(declared),
        "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\nContent-Type: text/plain; charset=ISO-8859-1;\n x*=iso-8859-1''%FC"
    );
}

/// P-253 P-359
#[test]
fn what_has_no_place_for_encoded_words_is_refused() {
    for text in
        ["Message-ID: <ö@x.test>", "References: <ö@x>", "Received: from ö", "List-Unsubscribe: <mailto:ö@x>", "Date: ö"]
    {
        assert!(matches!(refusal(format!("{text}\n\nb\n").as_bytes()), Refusal::Field(_)), "{text}");
    }
    for text in ["To: ö@x.test", "From: A <a@ö.test>", "Cc: \"ö\"@x.test, b@x.test", "Reply-To: <ö>"] {
        assert!(matches!(refusal(format!("{text}\n\nb\n").as_bytes()), Refusal::Address(_)), "{text}");
    }
    for text in ["From: (ö", "To: \"ö <a@x.test>", "Content-Type: ö/x", "Content-Disposition: attachment; filename=a ö"]
    {
        assert!(matches!(refusal(format!("{text}\n\nb\n").as_bytes()), Refusal::Field(_)), "{text}");
    }
    assert!(matches!(refusal("A: b\n\n".replace("b", "b\n \n ö").as_bytes()), Refusal::Unclear(_)));
}

/// P-345: what needs no encoding is folded as well.
#[test]
fn long_fields_are_folded() {
    let sent = field(format!("Content-Type: application/{}; x=\"ö\"", "x".repeat(980)).as_bytes());
    assert!(sent.lines().all(|line| line.len() <= 998), "{sent}");
    assert!(sent.starts_with("Content-Type:\n application/xxx"), "{sent}");
}

/// P-345: where nobody has folded before, and where there is no blank to fold at.
#[test]
fn no_line_of_an_encoded_field_is_too_long() {
    let long = "x".repeat(1100);
    let list: Vec<_> = (0..90).map(|n| format!("user{n}@x.test")).collect();
    for text in [
        format!("Subject: ö {long}"),
        format!("Subject: {long} ö"),
        format!("Subject: ö =?utf-8?Q?a?= {long} b"),
        format!("Subject: ö{}", " ".repeat(1100)),
        format!("Subject:{}ö", " ".repeat(1100)),
        format!("Subject: a{}ö", " ".repeat(1100)),
        format!("To: {},ö <a@x.test>", list.join(",")),
        format!("To: ö <a@x.test>,{}", list.join(",")),
        format!("To: ö <a@x.test>, {long} <b@x.test>"),
        format!("Cc: ö <a@x.test>, b@x.test ({long})"),
        format!("Content-Disposition: attachment; x=\"ö\"; filename={long}"),
    ] {
        let sent = field(text.as_bytes());
        assert!(sent.lines().all(|line| line.len() <= 998 && !line.trim().is_empty()), "{text}\n{sent}");
        let subject = |text: &str| {
            let text = format!("{text}\n\nb\n");
            let parsed = MessageParser::new().parse(text.as_bytes()).unwrap();
            let to = parsed.to().map(|to| {
                to.iter()
                    .map(|one| (one.name().map(str::to_owned), one.address().map(str::to_owned)))
                    .collect::<Vec<_>>()
            });
            (parsed.subject().map(|subject| subject.split_whitespace().collect::<Vec<_>>().join(" ")), to)
        };
        assert_eq!(subject(&sent), subject(&text), "{sent}");
    }
}

/// P-253: where the header alone is the reason, the body stays as it is, whatever it is.
#[test]
fn the_header_alone_is_encoded() {
    for body in ["ö\n", "--b\nContent-Type: text/plain; x=ö\n\nö\n--b \n--b--\n", ""] {
        for labels in ["", "Content-Type: multipart/signed; boundary=b\nContent-Transfer-Encoding: 8bit\n"] {
            let text = format!("{labels}Subject: Grüße\n\n{body}");
            let mut done = reencode(text.as_bytes(), HEADER).unwrap();
            assert!(done.message.facts().header == HeaderText::Ascii);
            let (wire, facts) = framed(&octets(&mut done.message));
            assert_eq!(coarse(done.message.facts()), coarse(&facts));
            let sent = format!("{labels}Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n\n{body}");
            assert_eq!(String::from_utf8(wire).unwrap().replace("\r\n", "\n"), sent);
        }
    }
    let refused = reencode("To: ö@x.test\n\nb\n".as_bytes(), HEADER);
    assert!(matches!(refused, Err(DowngradeError::Refused(Refusal::Address(_)))));
}

/// The header of a message, without SMTPUTF8.
const HEADER: Goal = Goal::Header(Extent::Message, Fields::Ascii);

/// P-253: the same with the headers of parts, whose content stays as it is, too.
#[test]
fn headers_of_parts_are_encoded() {
    let parts = |name: &str| {
        format!(
            "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\npre\u{e4}mble {}\n--b\nContent-Type: text/plain\n\
             Content-Disposition: attachment;{name}\n\n\u{f6}\n--b\nContent-Type: message/rfc822\n\nSubject: s\n\n\u{f6}\n",
            "x".repeat(1200)
        )
    };
    let goal = Goal::Header(Extent::Parts, Fields::Ascii);
    for end in ["--b--\nepil\u{f6}gue\n", "", "--b--"] {
        let mut done = reencode((parts(" filename=\"\u{fc}\"") + end).as_bytes(), goal).unwrap();
        assert_eq!(done.message.facts().part_headers, HeaderText::Ascii);
        let (wire, facts) = framed(&octets(&mut done.message));
        assert_eq!(coarse(done.message.facts()), coarse(&facts));
        let expected = framed((parts("\n filename*=utf-8''%C3%BC") + end).as_bytes()).0;
        assert_eq!(String::from_utf8(wire).unwrap(), String::from_utf8(expected).unwrap());
    }
    let signed = "Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Description: \u{fc}\n\nx\n--b--\n";
    let refused = reencode(signed.as_bytes(), goal);
    assert!(matches!(refused, Err(DowngradeError::Refused(Refusal::Signed))));
}

/// P-253: with SMTPUTF8 only fields in another charset are encoded, and only where that is possible.
#[test]
fn fields_that_are_no_utf8_are_encoded() {
    let goal = |extent| Goal::Header(extent, Fields::Utf8);
    let text =
        b"To: \xc3\xb6@x.test, G\xfcnter <g@x.test>\nCc: \xc3\xb6@x.test\nSubject: Gr\xfc\xdfe\nX: \xc3\xb6\n\n\xff\n";
    let mut done = reencode(text, goal(Extent::Message)).unwrap();
    assert_eq!(done.message.facts().header, HeaderText::Utf8);
    let sent = "To: \u{f6}@x.test,\n =?unknown-8bit?Q?G=FCnter?= <g@x.test>\nCc: \u{f6}@x.test\n\
                Subject: =?unknown-8bit?Q?Gr=FC=DFe?=\nX: \u{f6}\n\n";
    let wire = framed(&octets(&mut done.message)).0;
    assert_eq!(wire, [sent.replace('\n', "\r\n").as_bytes(), b"\xff\r\n"].concat());
    let parts = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nA: \xc3\xb6\nB: \xfc\n\nx\n--b--\n";
    let done = reencode(parts, goal(Extent::Parts)).unwrap();
    assert_eq!(done.message.facts().part_headers, HeaderText::Utf8);
    let refused = reencode(b"To: \xfc@x.test\n\n", goal(Extent::Message));
    assert!(matches!(refused, Err(DowngradeError::Refused(Refusal::Address(_)))));
}

/// P-360
#[test]
fn long_parameters_are_continued() {
    let name = "日本語".repeat(30);
    let sent = field(format!("Content-Disposition: attachment; filename=\"{name}.txt\"").as_bytes());
    assert!(sent.lines().all(|line| line.len() <= 76), "{sent}");
    let parts = format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{sent}\n\nx\n--b--\n");
    let parsed = MessageParser::new().parse(parts.as_bytes()).unwrap();
    use mail_parser::MimeHeaders;
    assert_eq!(parsed.attachment(0).unwrap().attachment_name(), Some(format!("{name}.txt").as_str()));
}

proptest! {
    /// P-253 P-359
    #[test]
    fn a_subject_reads_the_same(words in prop::collection::vec(prop::sample::select(vec![
        "a", "Grüße", "日本語日本語日本語日本語", "=?utf-8?Q?e=C3=A9?=", "=?utf-8?B?w6k=?=", "=", "?", "_", "(x)", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    ]), 1..14)) {
        let before = format!("Subject: {}\nX: ö\n\nb\n", words.join(" "));
        let after = seven_bit(before.as_bytes());
        let subject = |text: &str| MessageParser::new().parse(text.as_bytes()).unwrap().subject().map(str::to_owned);
        prop_assert_eq!(subject(&after), subject(&before), "{}", after);
        if words.iter().any(|word| !word.is_ascii()) {
            prop_assert!(after.lines().all(|line| line.len() <= 76), "{}", after);
        }
    }

    /// P-253 P-359
    #[test]
    fn mailboxes_read_the_same(names in prop::collection::vec(prop::sample::select(vec![
        "Jörg", "Joe Q", "\"ü, x\"", "日本語 日本語日本語日本語日本語日本語 x", "",
    ]), 1..6)) {
        let list: Vec<_> = names.iter().enumerate().map(|(n, name)| format!("{name} <user{n}@x.test>")).collect();
        let before = format!("To: {}\nX: ö\n\nb\n", list.join(", "));
        let after = seven_bit(before.as_bytes());
        let found = |text: &str| {
            let parsed = MessageParser::new().parse(text.as_bytes()).unwrap();
            let list: Vec<_> = parsed.to().unwrap().iter().map(|one| (one.name().unwrap_or("").to_owned(), one.address().unwrap_or("").to_owned())).collect();
            list
        };
        prop_assert_eq!(found(&after), found(&before), "{}", after);
        prop_assert!(after.lines().all(|line| line.len() <= 76 || !line.contains("=?")), "{}", after);
    }
}
