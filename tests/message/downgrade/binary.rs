//! Parts that are called binary: their octets are no lines.

use super::super::prepared;
use super::{DowngradeError, Goal, Large, Reencoder, Refusal, framed, octets};
use mail_parser::{MessageParser, MimeHeaders as _};
use posthaste::message::HeaderText;
use posthaste::message::prepare::{LongLines, PrepareError, prepare};
use proptest::prelude::*;

const TYPE: &str = "Content-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n";

/// A message with text and a binary part, with these line ends around it.
fn message(data: &[u8], ends: &str) -> Vec<u8> {
    let before = "Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: binary\n\n\
                  --b\nContent-Type: text/plain\nContent-Transfer-Encoding: Binary\n\none\ntwo\n--b\n";
    let before = format!("{before}{TYPE}\n").replace('\n', ends);
    [before.as_bytes(), data, format!("{ends}--b--{ends}").as_bytes()].concat()
}

/// What a reader finds in the binary part, after a check that all is lines of text.
fn found(message: &[u8]) -> Vec<u8> {
    assert!(!message.contains(&0));
    let text = String::from_utf8_lossy(message).replace("\r\n", "");
    assert!(!text.contains(['\r', '\n']), "{}", message.escape_ascii());
    let parsed = MessageParser::new().parse(message).unwrap();
    let part = parsed.attachment(0).unwrap_or(&parsed.parts[0]);
    assert_eq!(part.content_transfer_encoding(), Some("base64"));
    part.contents().to_vec()
}

fn lines(text: &[u8]) -> Vec<u8> {
    framed(&octets(&mut prepared(text, |rules| rules.long_lines = LongLines::Refuse).message)).0
}

/// P-269 P-270
#[test]
fn a_binary_part_becomes_base64_with_each_of_its_octets() {
    for data in [
        &b""[..],
        b"\0\r\0\n\xff\r\r\n\r",
        b"a\nb\r\nc\rd\r\r\n\n",
        b"\r--b\n \n--c\n",
        b"\n",
        b"\r\n",
        b"\r\n\r",
        b"x",
    ] {
        for ends in ["\n", "\r\n"] {
            // A CR before an LF that ends the part would be a part of that.
            if ends == "\n" && data.ends_with(b"\r") {
                continue;
            }
            let sent = lines(&message(data, ends));
            assert_eq!(found(&sent).escape_ascii().to_string(), data.escape_ascii().to_string(), "{ends:?}");
            let text = String::from_utf8(sent).unwrap();
            let part =
                "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\none\r\ntwo\r\n--b\r\n";
            assert!(
                text.contains(part) && text.contains("boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n"),
                "{text}"
            );
            let alone =
                [format!("MIME-Version: 1.0{ends}{}{ends}", TYPE.replace('\n', ends)).as_bytes(), data].concat();
            assert_eq!(found(&lines(&alone)).escape_ascii().to_string(), data.escape_ascii().to_string());
        }
    }
    // Far longer than a line may be, and than a block is.
    let data: Vec<u8> = (0..300_000u32).map(|at| (at.wrapping_mul(at) / 7) as u8).collect();
    let sent = lines(&message(&data, "\n"));
    assert!(found(&sent) == data);
}

/// P-270: text has lines, and what is not called binary is left as it is.
#[test]
fn nothing_else_is_changed() {
    let text = "MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: binary\n\none\ntwo\n";
    let sent = String::from_utf8(lines(text.as_bytes())).unwrap();
    assert!(sent.ends_with(&text.replace('\n', "\r\n")), "{sent}");
    let eight_bit = message(b"a\nb", "\n");
    let eight_bit = String::from_utf8(eight_bit).unwrap().replace("Encoding: binary\n\na", "Encoding: 8bit\n\na");
    assert!(String::from_utf8(lines(eight_bit.as_bytes())).unwrap().contains("Encoding: 8bit\r\n\r\na\r\nb\r\n--b--"));
}

/// P-252 P-269: a signature is over each octet, so that only lines of text can be under it.
#[test]
fn signed_binary_parts_are_refused_unless_they_are_lines() {
    let signed = |data: &[u8]| {
        let text = message(data, "\n");
        String::from_utf8(text).unwrap().replace("multipart/mixed", "multipart/signed")
    };
    let sent = lines(signed(b"a\nb\n").as_bytes());
    assert!(String::from_utf8(sent).unwrap().contains("binary\r\n\r\na\r\nb\r\n\r\n--b--"));
    let identity = super::super::alice();
    for data in [&b"a\0b"[..], b"a\rb"] {
        let incoming = super::incoming(signed(data).as_bytes(), super::LoneDot::IsText);
        let refused = prepare(incoming, &super::super::rules(&identity));
        assert!(matches!(refused, Err(PrepareError::Binary(Refusal::Signed))), "{refused:?}");
        let mut source = Large { head: signed(data).into_bytes(), block: Vec::new(), blocks: 0, at: 0 };
        let refused = Reencoder::new(&mut source, Goal::SevenBit).unwrap().run();
        assert!(matches!(refused, Err(DowngradeError::Refused(Refusal::Signed))));
    }
}

/// The octets are looked at once: what is told of them is true of what is sent.
#[test]
fn facts_are_those_of_what_is_sent() {
    let message = prepared(&message(b"\xff\0\n\xfe", "\n"), |_| ()).message;
    let facts = *message.facts();
    assert!(!facts.eight_bit && facts.longest_line < 100 && facts.part_headers == HeaderText::Ascii);
    assert_eq!(facts.size, octets(&mut { message }).len() as u64);
}

proptest! {
    /// P-269
    #[test]
    fn any_octets_survive(data in prop::collection::vec(prop_oneof![
        prop::sample::select(b"\r\n\0-b".to_vec()), any::<u8>()
    ], 0..200)) {
        prop_assume!(!data.windows(3).any(|three| three == b"--b"));
        prop_assert_eq!(found(&lines(&message(&data, "\r\n"))), data);
    }
}
