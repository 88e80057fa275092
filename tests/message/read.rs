//! Reading: where a message ends, where its body is kept, and that a file which changes is noticed.

use super::{alice, incoming, octets, pipe, prepared, rules, wire};
use posthaste::message::incoming::{End, LoneDot, ReadError, read};
use posthaste::message::prepare::{FixUps, Prepared, prepare};
use posthaste::message::{More, Source};
use proptest::prelude::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

/// The body of a message, and what ended it.
fn body(text: &[u8], dots: LoneDot) -> (String, End) {
    let identity = alice();
    let message = incoming(text, dots);
    let end = message.end();
    let mut prepared = prepare(message, &rules(&identity)).unwrap();
    (wire(&mut prepared.message).1, end)
}

/// Cases 2 to 7 of the sendmail face.
#[test]
fn a_lone_dot_ends_the_message_or_is_text() {
    for (text, cut, end) in [
        ("a\n.\nb\n", "a\r\n", End::DotWithMore),
        ("a\r\n.\r\nb\r\n", "a\r\n", End::DotWithMore),
        ("a\n.\n", "a\r\n", End::Dot),
        ("a\n.\n \r\n\n", "a\r\n", End::Dot),
        ("a\n.", "a\r\n", End::Dot),
        ("a\n.\r", "a\r\n", End::Dot),
        (".\nb\n", "", End::DotWithMore),
        (".", "", End::Dot),
        (".\r\n.\n", "", End::DotWithMore),
        ("..x\n.y\n..\n", "..x\r\n.y\r\n..\r\n", End::Input),
        ("a.\n", "a.\r\n", End::Input),
        ("a\n. \n", "a\r\n. \r\n", End::Input),
    ] {
        let text = ["A: b\n\n", text].concat();
        assert_eq!(body(text.as_bytes(), LoneDot::Ends), (cut.to_owned(), end), "{text:?}");
        let whole = text.split_once("\n\n").unwrap().1.replace("\r", "");
        assert_eq!(body(text.as_bytes(), LoneDot::IsText).0.replace("\r\n", "\n").trim_end(), whole.trim_end());
    }
}

#[test]
fn a_lone_dot_in_the_header_ends_the_message() {
    let (text, end) = body(b"A: b\n.\nC: d\n\ne\n", LoneDot::Ends);
    assert_eq!((&*text, end), ("", End::DotWithMore));
    assert_eq!(body(b"A: b\n.\n", LoneDot::Ends).1, End::Dot);
}

#[test]
fn an_empty_input_is_an_empty_message() {
    let mut prepared = prepared(b"", |_| {});
    let (header, body) = wire(&mut prepared.message);
    assert!(header.contains("From: ") && body.is_empty());
}

/// Small and large, in a file and in a pipe: it is the same message, as often as it is read.
#[test]
fn a_large_body_is_read_again() {
    let identity = alice();
    for size in [10usize, 70_000, 1 << 20, 3 << 20] {
        let text = [b"Subject: s\n\n".to_vec(), b"0123456789abcde\n".repeat(size / 16)].concat();
        for source in [super::file(&text), pipe(text.clone(), 5000)] {
            for dots in [LoneDot::IsText, LoneDot::Ends] {
                let mut source = source.try_clone().unwrap();
                if source.rewind().is_err() && dots == LoneDot::Ends {
                    continue;
                }
                let message = read(source, dots).unwrap();
                let mut prepared = prepare(message, &rules(&identity)).unwrap();
                let first = octets(&mut prepared.message);
                assert!(first.ends_with(&text[12..]) && first.len() > text.len());
                assert_eq!(octets(&mut prepared.message), first);
                wire(&mut prepared.message);
            }
        }
    }
}

/// In memory, in the caller's file and in one of our own: readers do not move each other, nor the message itself.
#[test]
fn a_message_has_many_readers() {
    let identity = alice();
    for size in [100usize, 3 << 20] {
        let text = [b"Subject: s\n\n".to_vec(), b"0123456789abcde\n".repeat(size / 16)].concat();
        for source in [super::file(&text), pipe(text.clone(), 5000)] {
            let mut message = prepare(read(source, LoneDot::IsText).unwrap(), &rules(&identity)).unwrap().message;
            message.add_signatures(b"DKIM-Signature: x\r\n");
            let whole = octets(&mut message);
            let mut readers: Vec<_> = (0..4).map(|_| (message.reader(), Vec::new(), true)).collect();
            readers[3].0.rewind_unsigned().unwrap();
            // The first one is ahead of the others by a block for each of their turns.
            while readers.iter().any(|(.., open)| *open) {
                for at in [0, 1, 0, 2, 3] {
                    let (reader, read, open) = &mut readers[at];
                    *open = *open && reader.read_block(read).unwrap() == More::Yes;
                }
            }
            for (_, read, _) in &readers[..3] {
                assert!(*read == whole, "{size}");
            }
            assert!(readers[3].1 == whole[b"DKIM-Signature: x\r\n".len()..], "{size}");
            readers[1].0.rewind().unwrap();
            let mut again = Vec::new();
            while readers[1].0.read_block(&mut again).unwrap() == More::Yes {}
            assert!(again == whole, "{size}");
        }
    }
}

/// A message begins where the caller left the file.
#[test]
fn a_file_is_read_from_its_place() {
    let text = [b"skipped\nSubject: s\n\n".to_vec(), b"0123456789abcde\n".repeat(100_000)].concat();
    let mut file = super::file(&text);
    file.seek(SeekFrom::Start(8)).unwrap();
    let identity = alice();
    let mut prepared = prepare(read(file, LoneDot::IsText).unwrap(), &rules(&identity)).unwrap();
    let all = octets(&mut prepared.message);
    assert!(all.ends_with(&text[20..]) && !all.windows(7).any(|seven| seven == b"skipped"));
}

fn large_file() -> (File, Prepared) {
    let file = super::file(&[b"Subject: s\n\n".to_vec(), b"0123456789abcde\n".repeat(100_000)].concat());
    let identity = alice();
    let message = read(file.try_clone().unwrap(), LoneDot::IsText).unwrap();
    (file, prepare(message, &rules(&identity)).unwrap())
}

fn read_to_end(prepared: &mut Prepared) -> std::io::Result<()> {
    prepared.message.rewind()?;
    let mut block = Vec::new();
    while prepared.message.read_block(&mut block)? == More::Yes {
        block.clear();
    }
    Ok(())
}

/// P-085
#[test]
fn a_file_that_changes_is_noticed() {
    let (mut file, mut prepared) = large_file();
    read_to_end(&mut prepared).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"more\n").unwrap();
    assert!(read_to_end(&mut prepared).is_err());

    let (file, mut prepared) = large_file();
    file.set_len(1000).unwrap();
    assert!(read_to_end(&mut prepared).is_err());

    let (file, mut prepared) = large_file();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(read_to_end(&mut prepared).is_err());
}

/// The writer of a pipe is not killed by a message that ends early.
#[test]
fn a_pipe_is_read_to_its_end() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let writing =
        std::thread::spawn(move || writer.write_all(&[b"A: b\n\n.\n".to_vec(), vec![b'x'; 1 << 20]].concat()));
    let message = read(File::from(std::os::fd::OwnedFd::from(reader)), LoneDot::Ends).unwrap();
    assert_eq!(message.end(), End::DotWithMore);
    writing.join().unwrap().unwrap();
}

#[test]
fn an_input_that_fails_is_no_message() {
    let directory = File::open(".").unwrap();
    assert!(matches!(read(directory, LoneDot::Ends), Err(ReadError::Input(_))));
}

#[test]
fn a_header_has_a_limit() {
    let header = b"A: 0123456789\n".repeat(80_000);
    assert!(matches!(read(super::file(&header), LoneDot::Ends), Err(ReadError::HeaderTooLarge)));
    assert!(read(super::file(&[b'A'; 3 << 20]), LoneDot::Ends).is_ok());
    let line = [b"A: ".to_vec(), vec![b'x'; 2 << 20]].concat();
    assert!(matches!(read(super::file(&line), LoneDot::Ends), Err(ReadError::HeaderTooLarge)));
}

#[test]
fn a_message_may_be_collected_first() {
    for count in [1, 200_000] {
        let mut spool = posthaste::message::spool::Spool::new();
        spool.write_all(b"Subject: s\n\n").unwrap();
        (0..count).for_each(|_| spool.write_all(b".\n0123456789\n").unwrap());
        let message = posthaste::message::incoming::Incoming::from_spool(spool).unwrap();
        let identity = alice();
        let mut rules = rules(&identity);
        rules.fix_ups = FixUps::OnlyBcc;
        let mut prepared = prepare(message, &rules).unwrap();
        let (header, body) = wire(&mut prepared.message);
        assert_eq!((&*header, body.len()), ("Subject: s", count * 15));
    }
}

/// What sendmail would take for the body: a plain loop over lines, to compare with.
fn naive_cut(text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if matches!(line, b"." | b".\r" | b".\n" | b".\r\n") {
            break;
        }
        body.extend_from_slice(line);
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// P-227: in pieces of any size, with and without lone dots, the facts are those of what is sent.
    #[test]
    fn pieces_do_not_matter(text in prop::collection::vec(prop::sample::select(vec!["\n", ".", "\r", "\r\n", "a", ".\n", "é", "\0"]), 0..30), piece in 1usize..5) {
        let text = text.concat().into_bytes();
        let message = [&b"\n"[..], &text].concat();
        let identity = alice();
        for dots in [LoneDot::Ends, LoneDot::IsText] {
            let message = read(pipe(message.clone(), piece), dots).unwrap();
            let mut rules = rules(&identity);
            rules.fix_ups = FixUps::OnlyBcc;
            let mut prepared = prepare(message, &rules).unwrap();
            let expected = if dots == LoneDot::Ends { naive_cut(&text) } else { text.clone() };
            let all = octets(&mut prepared.message);
            prop_assert_eq!(all.strip_prefix(b"\r\n").unwrap(), &expected[..]);
            wire(&mut prepared.message);
        }
    }
}

#[test]
fn a_read_message_leaves_nothing_to_read() {
    let mut file = super::file(&b"x\n".repeat(1 << 20));
    read(file.try_clone().unwrap(), LoneDot::IsText).unwrap();
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}
