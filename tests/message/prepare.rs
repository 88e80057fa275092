//! Fix-ups of headers and bodies.

use super::{alice, incoming, octets, prepared, rules, wire};
use posthaste::address::Address;
use posthaste::envelope::ReversePath;
use posthaste::message::HeaderText;
use posthaste::message::incoming::LoneDot;
use posthaste::message::prepare::{FixUps, LongLines, PrepareError, Recipients, Rules, Sender, prepare};
use proptest::prelude::*;

const STD: &str = "Date: Tue, 1 Sep 2026 12:00:00 +0200\nFrom: Alice Alice Co <alice@example.org>\nMessage-ID: <>\n";

/// The header that is sent, with LF, and with the ids left out.
fn header<'a>(text: &str, change: impl FnOnce(&mut Rules<'a>)) -> String {
    let mut prepared = prepared(text.as_bytes(), change);
    let header = wire(&mut prepared.message).0.replace("\r\n", "\n");
    header.lines().map(|line| without_id(line) + "\n").collect()
}

fn without_id(line: &str) -> String {
    match line.split_once("Message-ID: <") {
        Some((before, id)) if id.ends_with("@box.example.org>") => format!("{before}Message-ID: <>"),
        _ => line.to_owned(),
    }
}

fn recipients(text: &str) -> Result<Vec<String>, PrepareError> {
    let identity = alice();
    let mut rules = rules(&identity);
    rules.recipients = Recipients::Header;
    let prepared = prepare(incoming(text.as_bytes(), LoneDot::IsText), &rules)?;
    Ok(prepared.recipients.iter().map(Address::to_string).collect())
}

/// P-283: a header in another charset is none that SMTPUTF8 is for, nor is a body.
#[test]
fn headers_in_utf8_are_told_from_others() {
    for (text, utf8) in [
        (&b"Subject: s\n\n\xc3\xbc\n"[..], HeaderText::Ascii),
        (b"Subject: \xc3\xbc\n\nb\n", HeaderText::Utf8),
        (b"Subject: \xfc\n\nb\n", HeaderText::Other),
        (b"To: bob@b\xc3\xbccher.test\n\nb\n", HeaderText::Ascii),
        (b"To: \xc3\xbc@b\xc3\xbccher.test\n\nb\n", HeaderText::Utf8),
    ] {
        let prepared = prepared(text, |_| ());
        assert_eq!(prepared.message.facts().header, utf8, "{}", text.escape_ascii());
        assert_eq!(prepared.message.facts().part_headers, HeaderText::Ascii);
    }
}

/// P-283: the headers of parts are told from their content.
#[test]
fn headers_of_parts_are_looked_at() {
    let mixed = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\u{fc}\n--b\n";
    let message = "MIME-Version: 1.0\nContent-Type: message/rfc822\n\n";
    let disposed = "Content-Disposition: attachment; filename=\"\u{fc}\"";
    let base64 = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n";
    for (text, expected) in [
        (format!("{mixed}{disposed}\n\nx\n--b--\n"), HeaderText::Utf8),
        (format!("{mixed}{disposed}"), HeaderText::Utf8),
        (format!("{mixed}\n{disposed}\n--b--\n"), HeaderText::Ascii),
        (format!("{mixed}Content-Type: text/plain\n\n\u{fc}\n--b--\n{disposed}\n"), HeaderText::Ascii),
        (format!("{mixed}Content-Type: message/rfc822\n\n{disposed}\n\nx\n--b--\n"), HeaderText::Utf8),
        (format!("{mixed}{base64}{disposed}\n\nx\n--b--\n"), HeaderText::Ascii),
        (format!("{message}{disposed}\n\nx\n"), HeaderText::Utf8),
        (format!("{message}A: b\n\n{disposed}\n"), HeaderText::Ascii),
        (format!("A: b\n\n{disposed}\n"), HeaderText::Ascii),
    ] {
        let prepared = prepared(text.as_bytes(), |_| ());
        assert_eq!(prepared.message.facts().part_headers, expected, "{text}");
        let (_, body) = text.split_once("\n\n").unwrap_or_default();
        assert!(octets(&mut { prepared.message }).ends_with(body.as_bytes()), "it is read from its beginning again");
    }
    let latin = [mixed.as_bytes(), b"Content-Description: \xfc\n\nx\n--b\nX: \xc3\xbc\n\n--b--\n"].concat();
    assert_eq!(prepared(&latin, |_| ()).message.facts().part_headers, HeaderText::Other);
}

/// Cases 1, 40, 41, 44, 46, 49 and 50 of the sendmail face; P-342 P-343 P-344 P-349 P-351
#[test]
fn fields_are_added_taken_away_and_mended() {
    let std = |rest: &str| [STD, rest].concat();
    for (text, sent) in [
        ("Subject: s\n\nb\n", std("Subject: s\n")),
        ("", std("")),
        ("hello world\nsecond\n", std("")),
        ("From x@y Fri Jan  5 12:55 1997\n>From z\nSubject: s\n\nb\n", std("Subject: s\n")),
        ("Subject: s\0x\n\nb\n", std("Subject: sx\n")),
        ("Subject: s\rx\n\nb\n", std("Subject: s x\n")),
        ("Return-Path: <z@z>\nContent-Length: 3\nSubject : s\n\nb\n", std("Subject: s\n")),
        ("Subject \t: s\n c\n\nb\n", std("Subject: s\n c\n")),
        ("From:\nDate: \nMessage-ID:\nTo:\nCc: \nBcc:\nX:\n\nb\n", std("X:\n")),
        ("FROM: a@b.test\ndate: x\nmessage-id: <y>\n\n", "FROM: a@b.test\ndate: x\nmessage-id: <y>\n".to_owned()),
        (
            "Received: x\nDelivery-date: y\nReturn-Receipt-To: z\n\n",
            std("Received: x\nDelivery-date: y\nReturn-Receipt-To: z\n"),
        ),
    ] {
        assert_eq!(header(text, |_| {}), sent, "{text:?}");
    }
}

/// Case 18 of the sendmail face; P-347
#[test]
fn bcc_is_never_sent() {
    for (text, rest) in [
        ("Bcc: e@x.test,\n f@x.test\nSubject: s\n\nb\n", "Subject: s\n"),
        ("BCC : e@x.test\nTo: a@x.test\n\n", "To: a@x.test\n"),
        ("B\0cc: e@x.test\nSubject: s\n\n", "Subject: s\n"),
        ("Subject: s\nbcc:\n\te@x.test", "Subject: s\n"),
        ("Subject: s\r\nBcc: e@x.test\r\n\r\n", "Subject: s\n"),
    ] {
        assert_eq!(header(text, |_| {}), [STD, rest].concat(), "{text:?}");
        assert_eq!(header(text, |rules| rules.fix_ups = FixUps::OnlyBcc), rest.replace(" :", ":"), "{text:?}");
    }
}

/// Case 17 of the sendmail face.
#[test]
fn a_message_that_is_sent_on_gets_its_fields() {
    let text = "Resent-To: r@x.test\nResent-Bcc: q@x.test\nTo: a@x.test\nBcc: c@x.test\n\nb\n";
    let resent: String = STD.lines().map(|line| format!("Resent-{line}\n")).collect();
    assert_eq!(header(text, |_| {}), [&resent, STD, "Resent-To: r@x.test\nTo: a@x.test\n"].concat());
    assert_eq!(header("Resent-From: r@x.test\n\n", |_| {}), [STD, "Resent-From: r@x.test\n"].concat());
}

fn author<'a>(sender: Sender<'a>, name: Option<&'a str>) -> impl FnOnce(&mut Rules<'a>) {
    move |rules| {
        rules.sender = sender;
        rules.name = name;
    }
}

/// Cases 31 to 36 and 38 of the sendmail face.
#[test]
fn from_names_the_author() {
    let given = |address: &str| ReversePath::Address(Address::parse(address).unwrap());
    let (me, null) = (given("me@o.test"), ReversePath::Null);
    for (sender, name, from) in [
        (Sender::Caller, None, "Alice Alice Co <alice@example.org>"),
        (Sender::Caller, Some(""), "alice@example.org"),
        (Sender::Caller, Some("Jös"), "=?utf-8?B?SsO2cw==?= <alice@example.org>"),
        (Sender::Given(&null), None, "alice@example.org"),
        (Sender::Given(&me), None, "me@o.test"),
        (Sender::Given(&me), Some("Full, Name"), "\"Full, Name\" <me@o.test>"),
        (Sender::Given(&me), Some("a\r\nBcc: x@y"), "\"a Bcc: x@y\" <me@o.test>"),
    ] {
        let sent = header("Subject: s\n\nb\n", author(sender, name));
        assert!(sent.contains(&format!("\nFrom: {from}\n")), "{sent}");
        assert!(header("From: x@y.test\n\n", author(sender, name)).ends_with("\nFrom: x@y.test\n"));
    }
}

/// Cases 40 and 41 of the sendmail face; P-060
#[test]
fn addresses_get_a_domain() {
    let text = "From: root (Cron Daemon)\nTo: root\nCc: a@x.test,\n bob\nReply-To: <c>\nSender: d\nSubject: root\n\n";
    let sent = "From: root@example.org (Cron Daemon)\nTo: root@example.org\nCc: a@x.test,\n bob@example.org\nReply-To: <c@example.org>\nSender: d@example.org\nSubject: root\n";
    assert!(header(text, |_| {}).ends_with(sent));
    let sent = header("From: \"(Cron Daemon)\" <alice>\nTo: a@x.test,b@x.test\n\nb\n", |_| {});
    assert!(sent.ends_with("From: \"(Cron Daemon)\" <alice@example.org>\nTo: a@x.test,b@x.test\n"));
    assert!(header("From: alice\n\n", |_| {}).ends_with("\nFrom: Alice Alice Co <alice@example.org>\n"));
    assert!(header("From: bob\n\n", |_| {}).ends_with("\nFrom: bob@example.org\n"));
    let me = ReversePath::Address(Address::parse("me@o.test").unwrap());
    assert!(
        header("From: alice\n\n", |rules| rules.sender = Sender::Given(&me)).ends_with("\nFrom: alice@example.org\n")
    );
    assert_eq!(header("From: alice\nTo: bob\n\n", |rules| rules.fix_ups = FixUps::OnlyBcc), "From: alice\nTo: bob\n");
}

/// Cases 7, 10, 13, 14, 17, 19, 29 and 45 of the sendmail face; P-348 P-352
#[test]
fn recipients_are_read_from_the_header() {
    for (text, expected) in [
        ("To: a@x.test\n\nb\n", "a@x.test"),
        (
            "To: a@x.test, b@x.test\nCc: \"C, c\" <c@x.test>,\n d@x.test (Dee)\nBcc: e@x.test\nSubject: s\n\nb\n",
            "a@x.test b@x.test c@x.test d@x.test e@x.test",
        ),
        ("To: a@x.test\nTO: b@x.test\napparently-to: c\nReply-To: n@x.test\n\n", "a@x.test b@x.test c@example.org"),
        ("Bcc: e@x.test\nSubject: s\n\nb\n", "e@x.test"),
        ("To: undisclosed-recipients:;\nBcc: e@x.test\n\nb\n", "e@x.test"),
        ("Resent-To: r@x.test\nResent-Bcc: q@x.test\nTo: a@x.test\nBcc: c@x.test\n\nb\n", "r@x.test q@x.test"),
        ("Resent-To: r@x.test\nX: y\nResent-Cc: q@x.test\n\n", "r@x.test q@x.test"),
        ("Resent-From: r@x.test\nTo: a@x.test\n\n", "a@x.test"),
        ("To: G: a@x.test, b@x.test;, c@x.test\n\nb\n", "a@x.test b@x.test c@x.test"),
        ("To: a@x.test\r\nSubject: s\r\nBcc: b@x.test\r\n\r\nl1\nl2\r\n", "a@x.test b@x.test"),
        ("Subject: s\n\nTo: a@x.test\n", ""),
    ] {
        assert_eq!(recipients(text).unwrap().join(" "), expected, "{text:?}");
    }
    assert!(prepared(b"To: a@x.test\n\n", |_| {}).recipients.is_empty());
}

/// Case 20 of the sendmail face.
#[test]
fn a_bad_recipient_is_named() {
    let error = recipients("To: b@x.test\nCc: a@@x.test, b@x.test\n\nb\n").unwrap_err().to_string();
    assert_eq!(error, "bad address in Cc: 'a@@x.test': more than one @");
    assert!(header("To: a@@x.test, b\n\n", |_| {}).ends_with("To: a@@x.test, b\n"));
}

/// P-344
#[test]
fn ids_differ() {
    let id = || wire(&mut prepared(b"", |_| {}).message).0;
    let ids: std::collections::HashSet<_> = (0..100).map(|_| id()).collect();
    assert_eq!(ids.len(), 100);
}

/// P-256 P-361
#[test]
fn eight_bit_text_is_labelled() {
    let labels = |charset| {
        format!("MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n")
    };
    assert_eq!(header("Subject: s\n\nh\u{e9}\n", |_| {}), [STD, &labels("utf-8"), "Subject: s\n"].concat());
    let mut latin = prepared(b"Subject: s\n\nh\xe9\n", |_| {});
    assert!(wire(&mut latin.message).0.replace("\r\n", "\n").contains(&labels("unknown-8bit")));
    for text in ["MIME-Version: 1.0\n\n\u{e9}", "Content-Type: text/plain\n\n\u{e9}", "Subject: \u{e9}\n\nascii"] {
        assert_eq!(header(text, |_| {}), [STD, &text[..text.find("\n\n").unwrap() + 1]].concat());
    }
}

/// Case 51 of the sendmail face; P-082 P-354 P-357
#[test]
fn long_lines_are_encoded_where_the_part_allows_it() {
    let body = format!("{}\n.\nFrom x\n", "0123456789".repeat(300));
    for (labels, sent) in [
        (
            "",
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: quoted-printable\n",
        ),
        (
            "Content-Type: text/html\n",
            "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/html\n",
        ),
        (
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8BIT (x)\n",
            "Content-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n",
        ),
    ] {
        let mut prepared = prepared(format!("{labels}\n{body}").as_bytes(), |_| {});
        assert!(prepared.message.facts().longest_line <= 998);
        let (header, encoded) = wire(&mut prepared.message);
        assert!(header.replace("\r\n", "\n").ends_with(sent.trim_end()), "{header}");
        let parsed = octets(&mut prepared.message);
        let parsed = mail_parser::MessageParser::new().parse(&parsed).unwrap();
        let text = if labels.contains("html") { parsed.body_html(0) } else { parsed.body_text(0) };
        assert_eq!(text.unwrap().replace("\r\n", "\n"), body);
        assert!(encoded.lines().all(|line| line.len() <= 76));
    }
    for labels in [
        "Content-Type: multipart/mixed; boundary=x\n",
        "Content-Type: application/pdf\n",
        "Content-Transfer-Encoding: base64\n",
    ] {
        let identity = alice();
        let text = format!("{labels}\n{body}");
        let error = prepare(incoming(text.as_bytes(), LoneDot::IsText), &rules(&identity)).unwrap_err();
        assert!(matches!(error, PrepareError::LongLine(3000)), "{error}");
    }
    let mut raw = prepared(format!("\n{body}").as_bytes(), |rules| rules.long_lines = LongLines::Pass);
    assert_eq!(raw.message.facts().longest_line, 3000);
    assert!(wire(&mut raw.message).1.starts_with("0123456789"));
    let (identity, text) = (alice(), format!("\n{body}"));
    let mut strict = rules(&identity);
    strict.long_lines = LongLines::Refuse;
    assert!(prepare(incoming(text.as_bytes(), LoneDot::IsText), &strict).is_err());
}

/// P-345 P-346
#[test]
fn a_long_field_is_folded() {
    let ids = (0..300).map(|n| format!(" <{n:013}@x.test>")).collect::<String>();
    let mut prepared = prepared(format!("References:{ids}\n\nb\n").as_bytes(), |_| {});
    assert!(prepared.message.facts().longest_line <= 998);
    assert!(wire(&mut prepared.message).0.replace("\r\n", "").ends_with(&ids));
}

proptest! {
    /// P-346: fields that give no reason for a change are sent as they came, octet by octet.
    #[test]
    fn other_fields_keep_every_octet(
        fields in prop::collection::vec(("[!-9;-~]{1,12}", "[ -~\u{80}-\u{ff}\t]{0,60}", prop::sample::select(vec!["\n", "\r\n"]), "( [a-z]{1,9}\r?\n)?"), 1..8),
        body in "[a-z\n]{0,20}",
    ) {
        let dropped = ["bcc", "resent-bcc", "return-path", "content-length", "to", "cc", "from", "reply-to", "sender", "date", "message-id"];
        let fields: String = fields
            .into_iter()
            .filter(|(name, ..)| !name.starts_with("--") && !dropped.contains(&&*name.to_lowercase()))
            .map(|(name, value, end, fold)| format!("{name}:{value}{end}{fold}"))
            .collect();
        let mut prepared = prepared(format!("{fields}\n{body}").as_bytes(), |_| {});
        let all = octets(&mut prepared.message);
        let tail = format!("{fields}\r\n{body}");
        prop_assert!(all.ends_with(tail.as_bytes()), "{:?} does not end with {:?}", String::from_utf8_lossy(&all), tail);
        wire(&mut prepared.message);
    }

    /// Any octets make a message that ends its header where it should and never shows a Bcc.
    #[test]
    fn any_input_makes_a_message(text in prop::collection::vec(prop::sample::select(vec![
        "Bcc", ":", " ", "\n", "\r", "\0", "To", "From ", "a@b.test", "b", "\t", "é", ",", "<", ">", "\r\n",
    ]), 0..40)) {
        let mut prepared = prepared(text.concat().as_bytes(), |_| {});
        let (header, _) = wire(&mut prepared.message);
        for line in header.split("\r\n") {
            prop_assert!(!line.contains(['\r', '\n', '\0']));
            prop_assert!(!line.to_lowercase().starts_with("bcc:"), "{header}");
            prop_assert!(line.starts_with([' ', '\t']) || line.contains(':'), "{header}");
        }
    }
}

/// P-082 P-357: of several parts, those that need it are encoded.
#[test]
fn long_lines_are_encoded_in_the_parts_that_have_them() {
    let long = "0123456789".repeat(300);
    let text = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nshort\n--x\nContent-Type: text/html\n\n{long}\n--x--\n"
    );
    let mut prepared = prepared(text.as_bytes(), |_| {});
    assert!(prepared.message.facts().longest_line <= 998);
    let (header, body) = wire(&mut prepared.message);
    assert!(
        header.ends_with("\r\nContent-Type: multipart/mixed; boundary=x") && header.starts_with("Date: "),
        "{header}"
    );
    assert!(body.starts_with(
        "--x\r\n\r\nshort\r\n--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    ));
    assert_eq!(body.replace("=\r\n", "").lines().filter(|line| *line == long).count(), 1);
}
