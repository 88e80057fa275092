//! Messages: how they are read, what is learnt of them, and what becomes of their headers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "message/compose.rs"]
mod compose;
#[path = "message/corpus.rs"]
mod corpus;
#[path = "message/downgrade/mod.rs"]
mod downgrade;
#[path = "message/prepare.rs"]
mod prepare;
#[path = "message/read.rs"]
mod read;
#[path = "message/tally.rs"]
mod tally;

use chrono::{DateTime, FixedOffset};
use posthaste::message::incoming::{Incoming, LoneDot};
use posthaste::message::prepare::{
    Caller, FixUps, Identity, LongLines, Prepared, Recipients, Rules, Sender, UNKNOWN_CHARSET, prepare,
};
use posthaste::message::{Facts, HeaderText, Message, More, Source};
use posthaste::smtp::framing::{Dots, Framer};
use std::cell::LazyCell;
use std::fs::File;
use std::io::{Seek, Write};

/// A file that stands where a caller's stdin would, at its beginning.
fn file(octets: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(octets).unwrap();
    file.rewind().unwrap();
    file
}

/// The other end of a pipe into which these octets are written in pieces.
fn pipe(octets: Vec<u8>, piece: usize) -> File {
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || octets.chunks(piece.max(1)).try_for_each(|piece| writer.write_all(piece)));
    File::from(std::os::fd::OwnedFd::from(reader))
}

fn incoming(octets: &[u8], dots: LoneDot) -> Incoming {
    posthaste::message::incoming::read(file(octets), dots).unwrap()
}

fn alice() -> Identity {
    Identity {
        caller: LazyCell::new(|| Caller { login: "alice".to_owned(), full_name: Some("Alice Alice Co".to_owned()) }),
        mail_domain: "example.org".to_owned(),
        host: LazyCell::new(|| "box.example.org".to_owned()),
    }
}

fn clock() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc2822("Tue, 01 Sep 2026 12:00:00 +0200").unwrap()
}

fn rules(identity: &Identity) -> Rules<'_> {
    Rules {
        identity,
        sender: Sender::Caller,
        name: None,
        recipients: Recipients::Arguments,
        fix_ups: FixUps::All,
        long_lines: LongLines::Encode,
        charset: UNKNOWN_CHARSET,
        clock,
    }
}

/// Prepares a message that must be right.
fn prepared<'a>(octets: &[u8], change: impl FnOnce(&mut Rules<'a>)) -> Prepared {
    let mut rules: Rules<'a> = rules(Box::leak(Box::new(alice())));
    change(&mut rules);
    prepare(incoming(octets, LoneDot::IsText), &rules).unwrap()
}

/// Reads all that a message gives.
fn octets(message: &mut Message) -> Vec<u8> {
    message.rewind().unwrap();
    let mut octets = Vec::new();
    loop {
        let before = octets.len();
        let more = message.read_block(&mut octets).unwrap();
        assert!(octets.len() - before <= 64 << 10);
        if more == More::No {
            return octets;
        }
    }
}

/// What is sent without dots doubled, and what there is to know of it.
fn framed(octets: &[u8]) -> (Vec<u8>, Facts) {
    let (mut framer, mut wire) = (Framer::new(Dots::Keep), Vec::new());
    framer.push(octets, &mut wire);
    framer.finish(&mut wire);
    let longest = wire.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).len()).max();
    let blank = wire.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
    let header = if wire.starts_with(b"\r\n") { 0 } else { blank };
    let facts = Facts {
        size: wire.len() as u64,
        eight_bit: !wire.is_ascii(),
        header: HeaderText::of(&wire[..header]),
        part_headers: HeaderText::Ascii,
        longest_line: longest.unwrap_or(0) as u64,
    };
    (wire, facts)
}

/// Lengths that do not matter are made equal.
fn coarse(facts: &Facts) -> Facts {
    Facts { longest_line: facts.longest_line.max(998), ..*facts }
}

/// The header and the body on the wire, after a check that the facts are true of them.
fn wire(message: &mut Message) -> (String, String) {
    let (wire, facts) = framed(&octets(message));
    assert_eq!(coarse(message.facts()), coarse(&facts));
    let text = String::from_utf8_lossy(&wire);
    let without_header = text.strip_prefix("\r\n").map(|body| ("", body));
    let (header, body) = without_header.or_else(|| text.split_once("\r\n\r\n")).unwrap();
    (header.to_owned(), body.to_owned())
}
