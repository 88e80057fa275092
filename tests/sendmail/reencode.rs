//! Messages with 8-bit content to a server that takes none.

use mail_parser::{MessageParser, MessagePart, MimeHeaders, PartType};
use posthaste::server::options::{Extension, Options};

use super::program::{Program, WAYS};
use super::relay::{Relay, plain};
use super::wire::holds;

const PARTS: &str = "From: J\u{f6}rg <joe@x.test>\nTo: bob@x.test\nSubject: Gr\u{fc}\u{df}e\nMIME-Version: 1.0\n\
    Content-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 8bit\n\n\
    --b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGr\u{fc}\u{df}e\n\
    --b\nContent-Type: application/json\nContent-Disposition: attachment; filename=\"\u{fc}.json\"\n\n{\"\u{f6}\": 1}\n\
    --b--\n";

/// A server that lists SMTPUTF8 takes 8-bit content, so it must list neither.
fn seven_bit() -> Options {
    Options { extensions: vec![Extension::Pipelining, Extension::Size], ..plain() }
}

/// P-250 P-251 P-253 P-357: all of it is ASCII on the wire, the labels are true, and the reader finds what was written.
#[test]
fn a_message_of_parts_arrives_without_octets_above_127() {
    let relay = Relay::start(seven_bit());
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        program.run(way, &["bob@x.test"], PARTS.as_bytes()).assert_silent_success();
        let seen = relay.take();
        assert!(!holds(&seen.wire.octets, b"BODY=") && seen.wire.octets.is_ascii());
        let mail = seen.mail();
        mail.assert_clean();
        assert_eq!(mail.envelope.declared_size, Some(mail.octets.len() as u64), "SIZE is not that of what was sent");
        let parsed = MessageParser::new().parse(&mail.octets).unwrap();
        assert_eq!(parsed.subject(), Some("Gr\u{fc}\u{df}e"));
        assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("J\u{f6}rg"));
        assert_eq!(parsed.body_text(0).unwrap(), "Gr\u{fc}\u{df}e");
        let attachment = parsed.attachment(0).unwrap();
        assert_eq!(attachment.attachment_name(), Some("\u{fc}.json"));
        assert_eq!(attachment.contents(), "{\"\u{f6}\": 1}".as_bytes());
        let labels: Vec<_> =
            mail.octets.split(|octet| *octet == b'\n').map(|line| String::from_utf8_lossy(line)).collect();
        let labels = labels.iter().filter_map(|line| line.strip_prefix("Content-Transfer-Encoding: "));
        assert_eq!(labels.collect::<Vec<_>>(), ["7bit\r", "quoted-printable\r", "base64\r"]);
    }
}

/// P-250: a body that does not fit in memory, from a pipe and from a file.
#[test]
fn a_large_message_arrives_whole() {
    let body = "Gr\u{fc}\u{df}e aus K\u{f6}ln\n".repeat(200_000);
    let input = format!("Subject: s\n\n{body}");
    let relay = Relay::start(seven_bit());
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        program.run(way, &["bob@x.test"], input.as_bytes()).assert_silent_success();
        let mail = relay.take().mail();
        assert!(mail.octets.is_ascii());
        assert!(mail.decoded() == body);
    }
}

/// P-252: whoever looks is told that a signature has become worthless.
#[test]
fn a_broken_dkim_signature_is_told() {
    let relay = Relay::start(seven_bit());
    let program = Program::to(relay.wire.address);
    let input = "DKIM-Signature: v=1; a=rsa-sha256; b=x\nSubject: s\n\nh\u{e9}\n";
    program.sendmail(&["bob@x.test"], input).assert_silent_success();
    let ended = program.sendmail(&["-v", "bob@x.test"], input);
    assert_eq!(ended.code(), 0);
    let told = ended.stderr;
    assert!(told.contains("-- re-encoded without 8-bit content: ") && told.contains("its DKIM signature"), "{told}");
}

/// P-250 P-252
#[test]
fn what_cannot_be_reencoded_is_refused_with_the_reason() {
    let relay = Relay::start(seven_bit());
    let program = Program::to(relay.wire.address);
    let signed = PARTS.replace("multipart/mixed", "multipart/signed");
    let unclear =
        PARTS.replace("Content-Type: application/json", "Content-Type: application/json\nContent-Type: text/plain");
    let address = PARTS.replace("To: bob@x.test", "To: b\u{f6}b@x.test");
    for (input, words) in [(signed, "a signed part"), (unclear, "several Content-Type"), (address, "header field To")] {
        program.sendmail(&["bob@x.test"], input).assert_failures(65, 1, &[words, "8-bit", "5.6.3", "hint:"]);
        let seen = relay.take();
        seen.assert_nothing();
    }
}

/// A server that lists 8BITMIME, and SMTPUTF8 if so wished.
fn eight_bit(utf8: bool) -> Options {
    let mut extensions = vec![Extension::Pipelining, Extension::Size, Extension::EightBitMime];
    if utf8 {
        extensions.push(Extension::SmtpUtf8);
    }
    Options { extensions, ..plain() }
}

/// P-253 P-283 P-284: in UTF-8 and in Latin-1, to servers that take 8-bit bodies and no 8-bit headers. What is not the
/// reason stays as it is.
#[test]
fn a_header_goes_out_raw_only_with_smtputf8() {
    for (utf8, subject, declared, sent) in [
        (false, "Gr\u{fc}\u{df}e".as_bytes(), "", &b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="[..]),
        (false, b"Gr\xfc\xdfe", "", b"=?unknown-8bit?Q?Gr=FC=DFe?="),
        (false, b"Gr\xfc\xdfe", "; charset=iso-8859-1", b"=?iso-8859-1?Q?Gr=FC=DFe?="),
        (true, "Gr\u{fc}\u{df}e".as_bytes(), "", "Gr\u{fc}\u{df}e".as_bytes()),
        (true, b"Gr\xfc\xdfe", "", b"=?unknown-8bit?Q?Gr=FC=DFe?="),
    ] {
        let relay = Relay::start(eight_bit(utf8));
        let program = Program::to(relay.wire.address);
        let labels = format!("MIME-Version: 1.0\nContent-Type: text/plain{declared}\n");
        for body in [&b"h\xe9\n"[..], b"ascii\n"] {
            let input = [b"Subject: ", subject, b"\n", labels.as_bytes(), b"\n", body].concat();
            for way in WAYS {
                program.run(way, &["bob@x.test"], &input).assert_silent_success();
                let seen = relay.take();
                let is_raw = !sent.is_ascii();
                assert_eq!(holds(&seen.wire.octets, b" SMTPUTF8"), is_raw);
                assert_eq!(holds(&seen.wire.octets, b" BODY=8BITMIME"), is_raw || !body.is_ascii());
                assert!(holds(&seen.wire.octets, &[b"Subject: ", sent, b"\r\n"].concat()));
                let mail = seen.mail();
                mail.assert_clean();
                assert_eq!(mail.envelope.declared_size, Some(mail.octets.len() as u64));
                let end = [labels.replace('\n', "\r\n").as_bytes(), b"\r\n", body.trim_ascii_end(), b"\r\n"].concat();
                assert!(mail.octets.ends_with(&end), "{}", mail.octets.escape_ascii());
            }
        }
    }
}

/// P-253 P-283 P-284: names of files and forwarded messages have headers, too.
#[test]
fn headers_of_parts_go_out_raw_only_with_smtputf8() {
    let parts = |name: &str, subject: &str| {
        format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n\
             Gr\u{fc}\u{df}e\n--b\nContent-Type: application/x\nContent-Disposition: attachment;{name}\n\nx\n\
             --b\nContent-Type: message/rfc822\n\nSubject: {subject}\n\n\u{f6}\n--b--\n"
        )
    };
    let (name, subject) = (" filename=\"\u{fc}\"", "Gr\u{fc}\u{df}e");
    let encoded = parts("\n filename*=utf-8''%C3%BC", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=");
    for (utf8, sent) in [(true, parts(name, subject)), (false, encoded)] {
        let relay = Relay::start(eight_bit(utf8));
        Program::to(relay.wire.address).sendmail(&["bob@x.test"], parts(name, subject)).assert_silent_success();
        let seen = relay.take();
        assert!(holds(&seen.wire.octets, b" BODY=8BITMIME"));
        assert_eq!(holds(&seen.wire.octets, b" SMTPUTF8"), utf8);
        let mail = seen.mail();
        assert_eq!(mail.envelope.declared_size, Some(mail.octets.len() as u64));
        let text = String::from_utf8(mail.octets).unwrap().replace("\r\n", "\n");
        assert!(text.ends_with(&sent), "{text}");
    }
    let relay = Relay::start(eight_bit(false));
    let signed = format!("Content-Type: multipart/signed; boundary=c\n\n--c\n{name}\n\n--c--\n", name = "X: \u{fc}");
    let ended = Program::to(relay.wire.address).sendmail(&["bob@x.test"], signed);
    ended.assert_failures(65, 1, &["a signed part has 8-bit content", "5.6.3"]);
    relay.take().assert_nothing();
}

/// P-284: a field in another charset is no reason to refuse an address in UTF-8.
#[test]
fn a_field_in_another_charset_goes_beside_an_address_in_utf8() {
    let relay = Relay::start(eight_bit(true));
    let input = [b"To: b\xc3\xb6b@x.test\nSubject: Gr\xfc\xdfe\n".as_slice(), b"\nb\n"].concat();
    Program::to(relay.wire.address).sendmail(&["b\u{f6}b@x.test"], input).assert_silent_success();
    let seen = relay.take();
    assert!(holds(&seen.wire.octets, b" SMTPUTF8"));
    assert!(holds(&seen.wire.octets, b"\r\nTo: b\xc3\xb6b@x.test\r\nSubject: =?unknown-8bit?Q?Gr=FC=DFe?=\r\n"));
}

/// P-269 P-270: octets that are no lines arrive as they are, and text as lines, whatever the server offers.
#[test]
fn binary_parts_survive() {
    let data: Vec<u8> = (0..200_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let before = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_b\"\nContent-Transfer-Encoding: binary\n\n\
        --=_b\nContent-Type: text/plain\nContent-Transfer-Encoding: binary\n\none\ntwo\n--=_b\n\
        Content-Type: application/x\nContent-Transfer-Encoding: binary\nContent-Disposition: attachment\n\n";
    let input = [before.as_bytes(), &data, b"\n--=_b--\n"].concat();
    for session in [plain(), seven_bit()] {
        let relay = Relay::start(session);
        let program = Program::to(relay.wire.address);
        for way in WAYS {
            program.run(way, &["bob@x.test"], &input).assert_silent_success();
            let mail = relay.take().mail();
            mail.assert_clean();
            assert_eq!(mail.envelope.declared_size, Some(mail.octets.len() as u64));
            assert!(holds(&mail.octets, b"\r\n\r\none\r\ntwo\r\n--=_b\r\n") && !holds(&mail.octets, b": binary"));
            let parsed = MessageParser::new().parse(&mail.octets).unwrap();
            assert!(parsed.attachment(0).unwrap().contents() == data);
        }
    }
}

/// P-269: what is called binary keeps its NULs or is refused, whatever the server offers.
#[test]
fn nuls_are_not_dropped_from_what_is_called_binary() {
    let mixed = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\n\n--b\n";
    let binary = "Content-Transfer-Encoding: binary\n\n";
    for session in [plain(), seven_bit()] {
        let relay = Relay::start(session);
        let program = Program::to(relay.wire.address);
        let send = |text: &str| program.sendmail(&["-i", "bob@x.test"], format!("MIME-Version: 1.0\n{text}"));
        for (text, words) in [
            (format!("Content-Type: text/plain\n{binary}a\0b\n"), "text with NULs"),
            (format!("Content-Type: text/plain\n{binary}a\n\0"), "text with NULs"),
            (format!("{binary}a\0\n"), "text with NULs"),
            (format!("{mixed}Content-Type: text/html\n{binary}a\0b\n--b--\n"), "text with NULs"),
            (format!("{mixed}Content-Type: text/html\n{binary}a\n\0\n--b--\n"), "text with NULs"),
            (
                format!("Content-Type: multipart/mixed; boundary=b; boundary=c\n{binary}--b\n\na\0b\n"),
                "a multipart has no usable boundary",
            ),
            (format!("Content-Type: multipart/signed; boundary=b\n\n--b\n{binary}a\0b\n--b--\n"), "signed part"),
        ] {
            send(&text).assert_failure(65, &["a part is called binary", words]);
            relay.take().assert_nothing();
        }
        send(&format!("Content-Type: text/plain; charset=utf-16\n{binary}a\0\n\0")).assert_silent_success();
        let mail = relay.take().mail();
        assert_eq!(mail.field("Content-Transfer-Encoding"), "base64");
        assert_eq!(mail.decoded(), "a\n");
        // Without the label it is text, and NULs are no text. Behind the last part nothing is of meaning.
        for text in ["\na\0b\n".to_owned(), format!("{mixed}Content-Type: text/html\n{binary}ab\n--b--\n\0\n")] {
            send(&text).assert_silent_success();
            relay.take().mail().assert_clean();
        }
    }
}

/// P-252 P-253: a signature survives where the server takes the header, and is told to be broken where it cannot.
#[test]
fn a_signed_header_is_left_alone_where_it_may_be_sent() {
    let input = "DKIM-Signature: v=1; a=rsa-sha256; b=x\nSubject: Gr\u{fc}\u{df}e\n\nascii\n";
    for (utf8, told) in [(true, false), (false, true)] {
        let relay = Relay::start(eight_bit(utf8));
        let ended = Program::to(relay.wire.address).sendmail(&["-v", "bob@x.test"], input);
        assert_eq!(ended.code(), 0);
        let words = ["-- re-encoded without an 8-bit header: ", "its DKIM signature"];
        assert!(words.iter().all(|words| ended.stderr.contains(words) == told), "{}", ended.stderr);
        assert_eq!(holds(&relay.take().wire.octets, "Subject: Gr\u{fc}\u{df}e".as_bytes()), !told);
    }
}

/// P-253 P-284: an address has no place for encoded words.
#[test]
fn a_header_that_cannot_be_encoded_is_refused() {
    let relay = Relay::start(eight_bit(false));
    let program = Program::to(relay.wire.address);
    for (input, words) in [
        ("To: b\u{f6}b@x.test\n\nb\n", "header field To"),
        ("Message-ID: <\u{f6}@x.test>\n\nb\n", "header field Message-ID"),
    ] {
        program.sendmail(&["bob@x.test"], input).assert_failures(65, 1, &[words, "8-bit", "5.6.3", "hint:"]);
        relay.take().assert_nothing();
    }
}

/// P-254: 8BITMIME changes nothing else: lines end in CRLF and have 998 octets at most, and there are no NULs.
#[test]
fn eight_bit_content_is_lines_of_text_all_the_same() {
    let relay = Relay::start(eight_bit(true));
    let program = Program::to(relay.wire.address);
    let labels = "Subject: s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n";
    let word = "\u{fc}\u{df}";
    let long = word.repeat(1250);
    let odd = format!("{labels}\n{word}\0{word}\n{word}\r{word}\r\r\n{word}\r\n.{word}");
    let too_long = format!("{labels}\n{long}\n");
    let parts = "Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\u{f6}\n--b\n\
                 Content-Type: text/html; charset=utf-8\n\n";
    let in_a_part = format!("{parts}{long}\n--b--\n");
    for way in WAYS {
        for (input, is_eight_bit, text) in [
            (&odd, true, format!("{word}{word}\n{word}\n{word}\n{word}\n.{word}\n")),
            (&too_long, false, format!("{long}\n")),
            (&in_a_part, true, "\u{f6}".to_owned()),
        ] {
            program.run(way, &["bob@x.test"], input.as_bytes()).assert_silent_success();
            let seen = relay.take();
            assert_eq!(holds(&seen.wire.octets, b" BODY=8BITMIME"), is_eight_bit);
            let mail = seen.mail();
            mail.assert_clean();
            let parsed = MessageParser::new().parse(&mail.octets).unwrap();
            assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), text);
            if input == &in_a_part {
                let is_long = |part: &MessagePart<'_>| matches!(&part.body, PartType::Html(html) if *html == long);
                assert!(parsed.parts.iter().any(is_long), "the part with the long line is another one");
            }
        }
    }
}
