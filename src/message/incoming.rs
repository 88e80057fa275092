//! Reading a message once: the header to memory, the body to where it can be read again, and the facts on the way.

use super::Facts;
use super::body::{Body, Identity};
use super::charset::{Charset, Utf8};
use super::header::{self, Input, Scanner};
use super::spool::{MEMORY_LIMIT, Spool, Spooled};
use super::tally::{Content, Tally};
use crate::system::{Patient, words};
use memchr::memmem;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Seek, SeekFrom, Write};

/// What a line with nothing but a dot means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoneDot {
    /// It ends the message: sendmail without `-i`.
    Ends,
    /// It is a line as any other: `-i`, and everything that is no stdin of old.
    IsText,
}

/// A message as it came: nothing added or taken away yet but mbox lines and NULs in the header.
#[derive(Debug)]
pub struct Incoming {
    pub(super) header: Vec<u8>,
    pub(super) body: Body,
    /// Of the body alone.
    pub(super) facts: Facts,
    pub(super) charset: Charset,
    pub(super) binary: Binary,
    end: End,
}

/// Whether there may be a part that is called binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    No,
    /// The word stands somewhere in a body that may have parts.
    Maybe,
}

/// What ended a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end of the input.
    Input,
    /// A lone dot, and nothing but blanks came behind it.
    Dot,
    /// A lone dot; what came behind it was read and dropped.
    DotWithMore,
}

/// Why a message cannot be read. Nothing of it is sent then.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input failed.
    #[error("cannot read the message: {}", words(.0))]
    Input(#[source] io::Error),
    /// The temporary file failed.
    #[error("cannot keep the message in a temporary file: {}", words(.0))]
    Spool(#[source] io::Error),
    /// More header than anybody writes.
    #[error("the header of the message is larger than 1 MiB")]
    HeaderTooLarge,
}

/// Reads a message to its end, in constant memory.
///
/// A body of more than 512 KiB is left in `input` when that is a regular file, and is read from there again; it goes to
/// a temporary file without a name when not. Dots are never unstuffed. When a lone dot ends the message, the rest of
/// a pipe is read too, so that its writer is not killed; a person at a terminal has ended the message with it.
///
/// # Errors
/// [`ReadError`].
pub fn read(mut input: File, dots: LoneDot) -> Result<Incoming, ReadError> {
    let metadata = input.metadata().map_err(ReadError::Input)?;
    let place = match input.stream_position() {
        Ok(at) if metadata.is_file() => Some((at, Identity::of(&metadata), metadata.len().saturating_sub(at))),
        _ => None,
    };
    let (step, kept) = match &place {
        Some((_, _, length)) if *length > MEMORY_LIMIT as u64 => (BLOCK, Kept::InPlace),
        Some((_, _, length)) => (BLOCK.min(*length as usize + 1), Kept::Spool(Spool::new())),
        None => (FIRST, Kept::Spool(Spool::new())),
    };
    let behind_dot = if input.is_terminal() { BehindDot::Left } else { BehindDot::Read };
    let mut reader = Reader::new(Patient(&input), step, behind_dot);
    let (mut message, start) = reader.message(dots, kept)?;
    let body = match (std::mem::replace(&mut message.kept, Kept::InPlace), place) {
        (Kept::InPlace, Some((at, identity, _))) => Body::left_in(input, at + start, message.length, identity),
        (Kept::Spool(spool), _) => Body::spooled(spool.finish().map_err(ReadError::Spool)?),
        (Kept::InPlace, None) => Body::memory(Vec::new()),
    };
    Ok(message.with(body))
}

impl Incoming {
    /// Reads a message that was collected before: dots are text.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn from_spool(spool: Spool) -> Result<Incoming, ReadError> {
        match spool.finish().map_err(ReadError::Spool)? {
            Spooled::File(mut file, _) => {
                file.seek(SeekFrom::Start(0)).map_err(ReadError::Spool)?;
                read(file, LoneDot::IsText)
            }
            Spooled::Memory(octets) => {
                let mut reader = Reader::new(&octets[..], BLOCK.min(octets.len() + 1), BehindDot::Read);
                let (message, start) = reader.message(LoneDot::IsText, Kept::InPlace)?;
                let mut body = octets;
                body.drain(..start as usize);
                Ok(message.with(Body::memory(body)))
            }
        }
    }

    /// What ended the message.
    pub fn end(&self) -> End {
        self.end
    }

    /// The same message under another header, which has neither mbox lines, NULs nor an empty line at its end.
    pub(crate) fn with_header(self, header: Vec<u8>) -> Self {
        Incoming { header, ..self }
    }

    /// The header as it came, without mbox lines and NULs.
    pub fn header(&self) -> &[u8] {
        &self.header
    }
}

/// A message that was read.
struct Scanned {
    header: Vec<u8>,
    kept: Kept,
    /// Octets of the body.
    length: u64,
    facts: Facts,
    charset: Charset,
    binary: Binary,
    end: End,
}

impl Scanned {
    fn with(self, body: Body) -> Incoming {
        let Scanned { header, facts, charset, binary, end, .. } = self;
        Incoming { header, body, facts, charset, binary, end }
    }
}

/// Where the body is kept.
enum Kept {
    /// Where it came from.
    InPlace,
    Spool(Spool),
}

/// The input, and a block of it.
struct Reader<R> {
    input: R,
    block: Vec<u8>,
    /// Octets in the block.
    length: usize,
    /// How much is read at once.
    step: usize,
    behind_dot: BehindDot,
}

/// What happens to the input behind a lone dot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BehindDot {
    /// It is read, and dropped.
    Read,
    /// It is not waited for.
    Left,
}

impl<R: Read> Reader<R> {
    fn new(input: R, step: usize, behind_dot: BehindDot) -> Self {
        Reader { input, block: Vec::new(), length: 0, step, behind_dot }
    }

    /// Reads all of a message, and tells where the body began.
    fn message(&mut self, dots: LoneDot, kept: Kept) -> Result<(Scanned, u64), ReadError> {
        let mut scanner = Scanner::new(dots);
        let mut input = Input::Open;
        let bounds = loop {
            if self.fill()? == 0 {
                input = Input::Ended;
            }
            match scanner.scan(&self.block[..self.length], input) {
                Some(bounds) if bounds.fields.len() <= HEADER_LIMIT => break bounds,
                Some(_) => return Err(ReadError::HeaderTooLarge),
                None if self.length > HEADER_LIMIT + BLOCK => return Err(ReadError::HeaderTooLarge),
                None => {}
            }
        };
        let header = header::clean(&self.block[bounds.fields.clone()]);
        let start = bounds.body.unwrap_or(bounds.fields.end);
        self.drop_front(start);
        let words = may_have_parts(&header).then(Words::default);
        let (tally, utf8) = (Tally::default(), Utf8::default());
        let mut body = Scan { kept, length: 0, tally, utf8, words, line: AtLine::Start };
        let end = match bounds.body {
            Some(_) => self.body(dots, &mut body)?,
            // The dot itself is one line.
            None => {
                let line = memchr::memchr(b'\n', &self.block[..self.length]).map_or(self.length, |end| end + 1);
                self.drop_front(line);
                self.drain(&body.kept)?
            }
        };
        let facts = body.tally.finish();
        let charset = body.utf8.charset(facts.eight_bit);
        let binary = body.words.map_or(Binary::No, |words| words.found);
        Ok((Scanned { header, kept: body.kept, length: body.length, facts, charset, binary, end }, start as u64))
    }

    fn body(&mut self, dots: LoneDot, body: &mut Scan) -> Result<End, ReadError> {
        let finder = Finder::new();
        let mut input = Input::Open;
        loop {
            let block = &self.block[..self.length];
            let found = match dots {
                LoneDot::Ends => finder.find(block, body.line, input),
                LoneDot::IsText => Dot::None { usable: block.len() },
            };
            match found {
                Dot::At { start, end } => {
                    body.push(&block[..start])?;
                    self.drop_front(end);
                    return self.drain(&body.kept);
                }
                Dot::None { usable } => {
                    body.push(&block[..usable])?;
                    self.drop_front(usable);
                }
            }
            if input == Input::Ended {
                return Ok(End::Input);
            }
            if self.fill()? == 0 {
                input = Input::Ended;
            }
        }
    }

    /// Reads what follows a lone dot.
    fn drain(&mut self, kept: &Kept) -> Result<End, ReadError> {
        let mut end = End::Dot;
        loop {
            if self.block[..self.length].iter().any(|octet| !octet.is_ascii_whitespace()) {
                end = End::DotWithMore;
                // Nobody waits at the other end of a file.
                if matches!(kept, Kept::InPlace) {
                    return Ok(end);
                }
            }
            self.length = 0;
            if self.behind_dot == BehindDot::Left || self.fill()? == 0 {
                return Ok(end);
            }
        }
    }

    /// Reads once, behind what the block holds.
    fn fill(&mut self) -> Result<usize, ReadError> {
        let end = self.length + self.step;
        if self.block.len() < end {
            self.block.resize(end, 0);
        }
        loop {
            match self.input.read(&mut self.block[self.length..end]) {
                Ok(count) => {
                    // Most messages are small, and memory that is not touched costs nothing.
                    if count == self.step {
                        self.step = BLOCK;
                    }
                    self.length += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Input(error)),
            }
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.block.copy_within(count..self.length, 0);
        self.length -= count;
    }
}

/// The body as far as it was read.
struct Scan {
    kept: Kept,
    length: u64,
    tally: Tally,
    utf8: Utf8,
    words: Option<Words>,
    line: AtLine,
}

/// Whether a body that has parts has the word `binary`, written in one of the usual ways.
struct Words {
    found: Binary,
    /// The end of the last block.
    tail: Vec<u8>,
}

impl Default for Words {
    fn default() -> Self {
        Words { found: Binary::No, tail: Vec::new() }
    }
}

impl Words {
    fn push(&mut self, block: &[u8]) {
        let has_word = |text: &[u8]| [&b"inary"[..], b"INARY"].iter().any(|word| memmem::find(text, word).is_some());
        if self.found == Binary::Maybe {
            return;
        }
        let edge = [&self.tail[..], &block[..block.len().min(SPLIT)]].concat();
        if has_word(&edge) || has_word(block) {
            self.found = Binary::Maybe;
        }
        let last = if block.len() < SPLIT { &edge } else { block };
        self.tail = last[last.len().saturating_sub(SPLIT)..].to_vec();
    }
}

/// Most octets of the word that a block can end with.
const SPLIT: usize = 4;

/// Whether a header says that the body has parts, or is a message; or seems to say so.
fn may_have_parts(header: &[u8]) -> bool {
    let is_type = |at: usize| {
        [&b"multipart"[..], b"message"].iter().any(|word| {
            let start = at.checked_sub(word.len());
            start.is_some_and(|start| header[start..at].eq_ignore_ascii_case(word))
        })
    };
    memchr::memchr_iter(b'/', header).any(is_type)
}

/// Whether the next octet is the first of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtLine {
    Start,
    Middle,
}

impl Scan {
    fn push(&mut self, block: &[u8]) -> Result<(), ReadError> {
        let Some(last) = block.last() else { return Ok(()) };
        self.line = if *last == b'\n' { AtLine::Start } else { AtLine::Middle };
        self.length += block.len() as u64;
        if self.tally.push(block) == Content::EightBit || self.utf8.is_open() {
            self.utf8.push(block);
        }
        if let Some(words) = &mut self.words {
            words.push(block);
        }
        match &mut self.kept {
            Kept::InPlace => Ok(()),
            Kept::Spool(spool) => spool.write_all(block).map_err(ReadError::Spool),
        }
    }
}

/// Looks for a line with nothing but a dot.
struct Finder {
    with_lf: memmem::Finder<'static>,
    with_crlf: memmem::Finder<'static>,
}

/// What a block has of a lone dot.
enum Dot {
    /// The line begins and ends here.
    At { start: usize, end: usize },
    /// No such line in the first so many octets; the others may become one.
    None { usable: usize },
}

impl Finder {
    fn new() -> Self {
        Finder { with_lf: memmem::Finder::new(b"\n.\n"), with_crlf: memmem::Finder::new(b"\n.\r\n") }
    }

    fn find(&self, block: &[u8], line: AtLine, input: Input) -> Dot {
        if line != AtLine::Middle {
            for (dot, end) in [(&b".\n"[..], 2), (b".\r\n", 3)] {
                if block.starts_with(dot) {
                    return Dot::At { start: 0, end };
                }
            }
        }
        let found = [(self.with_lf.find(block), 3), (self.with_crlf.find(block), 4)];
        if let Some((at, length)) = found.into_iter().filter_map(|(at, length)| Some((at?, length))).min() {
            return Dot::At { start: at + 1, end: at + length };
        }
        let is_dot = |tail: &[u8]| matches!(tail, b"." | b".\r");
        let last_line = memchr::memrchr(b'\n', &block[block.len().saturating_sub(3)..])
            .map(|at| block.len().saturating_sub(3) + at + 1)
            .or((block.len() <= 2 && line != AtLine::Middle).then_some(0));
        match last_line {
            Some(start) if is_dot(&block[start..]) => match input {
                Input::Ended => Dot::At { start, end: block.len() },
                Input::Open => Dot::None { usable: start },
            },
            _ => Dot::None { usable: block.len() },
        }
    }
}

/// The input is read by so much.
pub(super) const BLOCK: usize = 64 << 10;

/// The first read from a pipe.
const FIRST: usize = 8 << 10;

/// A larger header is refused.
const HEADER_LIMIT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A person at a terminal: a line at a time, and nobody types behind the last one.
    struct Typed(Vec<&'static str>);

    impl Read for Typed {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let line = self.0.remove(0);
            buffer[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }

    #[test]
    fn nothing_is_waited_for_behind_the_dot_of_a_person() {
        for lines in [vec!["Subject: s\n", "\n", "text\n", ".\n"], vec!["Subject: s\n", ".\n"]] {
            let mut reader = Reader::new(Typed(lines), FIRST, BehindDot::Left);
            let (message, _) = reader.message(LoneDot::Ends, Kept::Spool(Spool::new())).unwrap();
            assert_eq!((message.header.as_slice(), message.end), (&b"Subject: s\n"[..], End::Dot));
            assert!(reader.input.0.is_empty());
        }
    }

    #[test]
    fn a_word_is_found_across_blocks() {
        for (text, found) in
            [("--b\nX: Binary\n", Binary::Maybe), ("--b\nX: BINARY", Binary::Maybe), ("a bin ary", Binary::No)]
        {
            for size in 1..=text.len() {
                let mut words = Words::default();
                text.as_bytes().chunks(size).for_each(|block| words.push(block));
                assert_eq!(words.found, found, "{text:?} in blocks of {size}");
            }
        }
    }
}
