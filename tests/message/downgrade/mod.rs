//! Re-encoding for servers that take less than a message has.

mod binary;
mod broken;
mod fields;
mod reader;
mod trees;

use super::{coarse, framed, incoming, octets};
use mail_parser::{MessageParser, MessagePart, MimeHeaders, PartType};
use posthaste::message::downgrade::{Dkim, DowngradeError, Extent, Fields, Goal, Reencoded, Reencoder, Refusal};
use posthaste::message::incoming::LoneDot;
use posthaste::message::prepare::{FixUps, prepare};
use posthaste::message::{HeaderText, Message, More, Source};
use std::io;

/// A message as it is, without fix-ups.
fn message(text: &[u8]) -> Message {
    let identity = super::alice();
    let mut rules = super::rules(&identity);
    rules.fix_ups = FixUps::OnlyBcc;
    rules.long_lines = posthaste::message::prepare::LongLines::Pass;
    prepare(incoming(text, LoneDot::IsText), &rules).unwrap().message
}

fn reencode(text: &[u8], goal: Goal) -> Result<Reencoded, DowngradeError> {
    Reencoder::new(&mut message(text), goal).unwrap().run()
}

/// Why a message is refused.
fn refusal(text: &[u8]) -> Refusal {
    match reencode(text, Goal::SevenBit) {
        Err(DowngradeError::Refused(refusal)) => refusal,
        other => panic!("{other:?} for {}", text.escape_ascii()),
    }
}

/// What is sent, with LF, after a check of what must be true of each.
fn seven_bit(text: &[u8]) -> String {
    let mut reencoded =
        reencode(text, Goal::SevenBit).unwrap_or_else(|error| panic!("{error}: {}", text.escape_ascii()));
    let (wire, facts) = framed(&octets(&mut reencoded.message));
    assert_eq!(coarse(reencoded.message.facts()), coarse(&facts));
    assert!(!facts.eight_bit, "{}", wire.escape_ascii());
    String::from_utf8(wire).unwrap().replace("\r\n", "\n")
}

/// What a reader finds in a message, part by part.
fn read(text: &[u8]) -> Vec<String> {
    let wire = framed(text).0;
    let parsed = MessageParser::new().parse(&wire).unwrap();
    parsed.parts.iter().map(part).collect()
}

fn part(part: &MessagePart<'_>) -> String {
    let labels = part.content_type().map(|one| format!("{}/{:?}", one.ctype(), one.subtype())).unwrap_or_default();
    let name = part.attachment_name().unwrap_or_default();
    let content = match &part.body {
        PartType::Text(text) | PartType::Html(text) => format!("text {text:?}"),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => format!("octets {}", octets.escape_ascii()),
        PartType::Message(message) => format!("message {:?}", message.parts.iter().map(self::part).collect::<Vec<_>>()),
        PartType::Multipart(parts) => format!("{} parts", parts.len()),
    };
    format!("{labels} {name} {content}")
}

/// Reads the same in a message before and after.
fn same(text: &[u8]) -> String {
    let after = seven_bit(text);
    assert_eq!(read(after.as_bytes()), read(text), "{after}");
    after
}

/// A source without end, as far as memory goes.
struct Large {
    head: Vec<u8>,
    block: Vec<u8>,
    blocks: usize,
    at: usize,
}

impl Source for Large {
    fn rewind(&mut self) -> io::Result<()> {
        self.at = 0;
        Ok(())
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
        out.extend_from_slice(if self.at == 0 { &self.head } else { &self.block });
        self.at += 1;
        Ok(if self.at > self.blocks { More::No } else { More::Yes })
    }
}

/// Memory is checked from outside, by the peak of the process: see the benches. Here the sizes are.
#[test]
fn a_large_message_is_reencoded_block_by_block() {
    let head =
        b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n".to_vec();
    let mut large = Large { head, block: "é\n".repeat(1000).into_bytes(), blocks: 1500, at: 0 };
    let mut reencoder = Reencoder::new(&mut large, Goal::SevenBit).unwrap();
    let mut steps = 0;
    let done = loop {
        steps += 1;
        if let Some(done) = reencoder.step().unwrap() {
            break done;
        }
    };
    assert_eq!(steps, 2 * 1501);
    let body = 1_500_000 * "=C3=A9\r\n".len() as u64;
    let head =
        "\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".len() as u64;
    assert_eq!(
        done.message.facts().size,
        done.message.head().len() as u64 + head + body - 2 + "\r\n--b--\r\n".len() as u64
    );
    assert!(!done.message.facts().eight_bit);
}

/// A text of one part, as most are. P-250 P-256
#[test]
fn a_text_becomes_quoted_printable() {
    let labels = "Subject: s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n";
    let body = "Grüße\n.\nFrom x\n-- \n";
    let encoded = "Gr=C3=BC=C3=9Fe\n=2E\n=46rom x\n=2D-=20\n";
    assert_eq!(
        same(format!("{labels}Content-Transfer-Encoding: 8bit\n\n{body}").as_bytes()),
        format!("{labels}Content-Transfer-Encoding: quoted-printable\n\n{encoded}")
    );
    assert_eq!(
        same(format!("{labels}\n{body}").as_bytes()),
        format!("{labels}Content-Transfer-Encoding: quoted-printable\n\n{encoded}")
    );
    let added = |charset| {
        format!(
            "MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: quoted-printable\n"
        )
    };
    assert_eq!(seven_bit(format!("A: b\n\n{body}").as_bytes()), format!("A: b\n{}\n{encoded}", added("utf-8")));
    assert_eq!(seven_bit(b"A: b\n\nh\xe9"), format!("A: b\n{}\nh=E9\n", added("unknown-8bit")));
    assert_eq!(seven_bit(b"\n\xc3\xa9"), format!("{}\n=C3=A9\n", added("utf-8")));
}

/// P-251 P-356 P-357
#[test]
fn leaves_are_encoded_and_labels_follow() {
    let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=out\nContent-Transfer-Encoding: 8bit\n\n\
                Dies ist für alte Leser.\n--out\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
                <p>ä</p>\n\n--out \nContent-Transfer-Encoding: binary\nContent-Type: message/rfc822\n\n\
                Subject: inner\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"in\"\n\
                Content-Transfer-Encoding: 8BIT (really)\n\n--in\n\nplain text\n--in\n\
                content-transfer-encoding: 8bit\ncontent-type: application/json\n\n{\"ö\": 1}\n--in--\n\
                --out\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAECAw==\n--out\n\
                Content-Type: text/x; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nascii\n--out--\nEnde, schön\n";
    let sent = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=out\nContent-Transfer-Encoding: 7bit\n\n\
                Dies ist f??r alte Leser.\n--out\nContent-Type: text/html; charset=utf-8\n\
                Content-Transfer-Encoding: quoted-printable\n\n\
                <p>=C3=A4</p>\n\n--out \nContent-Transfer-Encoding: 7bit\nContent-Type: message/rfc822\n\n\
                Subject: inner\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"in\"\n\
                Content-Transfer-Encoding: 7bit\n\n--in\n\nplain text\n--in\n\
                Content-Transfer-Encoding: base64\ncontent-type: application/json\n\neyLDtiI6IDF9\n--in--\n\
                --out\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAECAw==\n--out\n\
                Content-Type: text/x; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\nascii\n--out--\nEnde, sch??n\n";
    assert_eq!(same(text.as_bytes()), sent);
    assert_eq!(seven_bit(text.replace('\n', "\r\n").as_bytes()), sent);
}

/// P-356: NULs are not sent, so they say nothing of what is.
#[test]
fn labels_follow_where_nuls_are_dropped() {
    let text = |body: &str| {
        format!("Subject: ö\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\n{body}\n")
    };
    assert!(seven_bit(text("a\0b").as_bytes()).ends_with("Encoding: 7bit\n\nab\n"));
    assert!(seven_bit(text("a\rb").as_bytes()).ends_with("Encoding: 7bit\n\na\nb\n"));
}

/// What is signed or encrypted stays as it is, or nothing is sent. P-252
#[test]
fn signed_parts_are_not_touched() {
    let signed = |text: &str, subtype: &str| {
        format!(
            "Subject: grüß\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: text/plain\n\n\
             ä\n--o\nContent-Type: multipart/{subtype}; boundary=o-s; protocol=\"application/pgp-signature\"\n\
             Content-Transfer-Encoding: 8bit\n\n--o-s\nContent-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\n{text}\n\
             --o-s\nContent-Type: application/pgp-signature\n\nxyz\n--o-s--\n--o--\n"
        )
    };
    for (subtype, refused) in [("signed", Refusal::Signed), ("encrypted", Refusal::Encrypted)] {
        let after = same(signed("ascii", subtype).as_bytes());
        let from = format!("Content-Type: multipart/{subtype}");
        let before = signed("ascii", subtype);
        assert_eq!(after.split_once(&from).unwrap().1, before.split_once(&from).unwrap().1);
        assert_eq!(refusal(signed("ö", subtype).as_bytes()), refused);
        let header = signed("a", subtype)
            .replace("--o-s\nContent-Type: text", "--o-s\nContent-Description: ö\nContent-Type: text");
        assert_eq!(refusal(header.as_bytes()), refused);
        let preamble = signed("a", subtype).replace("\n\n--o-s\n", "\n\nö\n--o-s\n");
        assert_eq!(refusal(preamble.as_bytes()), refused);
    }
    // An opaque signature is in the content, which is the same after decoding.
    let opaque = "Content-Type: application/pkcs7-mime; smime-type=signed-data\nContent-Transfer-Encoding: 8bit\nMIME-Version: 1.0\n\nö\n";
    assert!(same(opaque.as_bytes()).contains("base64"));
}

/// P-252
#[test]
fn broken_dkim_signatures_are_noticed() {
    let text = |field: &str| format!("{field}MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nö\n");
    let dkim = |field| reencode(text(field).as_bytes(), Goal::SevenBit).unwrap().dkim;
    assert_eq!(dkim(""), Dkim::None);
    assert_eq!(dkim("DKIM-Signature: v=1; a=rsa-sha256;\n\tb=x\n"), Dkim::Broken);
}

#[test]
fn long_lines_of_text_are_encoded_in_any_part() {
    let long = "x".repeat(3000);
    let text = |content_type: &str| {
        format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: binary\n\nprä\n--b\n\
             Content-Type: {content_type}\n\n{long}\n--b\n\nkürzer\n--b--\n"
        )
    };
    let mut done = reencode(text("text/html").as_bytes(), Goal::ShortLines).unwrap();
    let after = octets(&mut done.message);
    assert!(done.message.facts().longest_line <= 76 && done.message.facts().eight_bit);
    assert_eq!(read(&after), read(text("text/html").as_bytes()));
    let after = String::from_utf8(after).unwrap();
    assert!(after.contains("Encoding: 8bit\r\n\r\nprä\r\n") && after.contains("\r\n\r\nkürzer\r\n"), "{after}");
    for content_type in ["application/pdf", "multipart/signed; boundary=c", "message/partial"] {
        assert!(reencode(text(content_type).as_bytes(), Goal::ShortLines).is_err(), "{content_type}");
    }
}
