//! The one pass that learns what will be sent, without writing it.

use super::{Facts, HeaderText};
use memchr::{memchr, memchr_iter, memchr3, memrchr};

/// Counts what `smtp::framing::Framer` would make of octets that come block by block.
///
/// Plain text is counted by whole blocks: only blocks with NUL or with a CR that belongs to no CRLF are looked at
/// piece by piece.
#[derive(Debug, Default)]
pub struct Tally {
    size: u64,
    content: Content,
    longest: u64,
    /// Octets of the line in work.
    length: u64,
    line: Line,
}

/// Whether octets are all ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// They are.
    #[default]
    Ascii,
    /// There is an octet above 127.
    EightBit,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Middle,
    /// After this many CRs whose meaning the next octet decides.
    AfterCr(u32),
}

impl Tally {
    /// Counts a block, and tells what is in it.
    pub fn push(&mut self, block: &[u8]) -> Content {
        let mut rest = block;
        while let (Line::AfterCr(_), Some((first, behind))) = (self.line, rest.split_first()) {
            self.count_pieces(std::slice::from_ref(first));
            rest = behind;
        }
        let plain = rest.len() - rest.iter().rev().take_while(|octet| **octet == b'\r').count();
        let (plain, open) = rest.split_at(plain);
        if is_plain(plain) {
            self.count_lines(plain);
        } else {
            self.count_pieces(plain);
        }
        self.count_pieces(open);
        if block.is_ascii() {
            return Content::Ascii;
        }
        self.content = Content::EightBit;
        Content::EightBit
    }

    /// What was counted; a last line without an end gets one.
    pub fn finish(mut self) -> Facts {
        match self.line {
            Line::Start => {}
            Line::Middle => self.end_lines(1),
            Line::AfterCr(count) => self.end_lines(count),
        }
        Facts {
            size: self.size,
            eight_bit: self.content == Content::EightBit,
            header: HeaderText::Ascii,
            part_headers: HeaderText::Ascii,
            longest_line: self.longest,
        }
    }

    /// Counts a block whose only line ends are LF and CRLF.
    fn count_lines(&mut self, block: &[u8]) {
        let Some(last) = block.last() else { return };
        let line_feeds = memchr_iter(b'\n', block).count();
        // In a plain block each CR is part of a CRLF.
        let returns = if block.contains(&b'\r') { memchr_iter(b'\r', block).count() } else { 0 };
        self.size += (block.len() + line_feeds - returns) as u64;
        self.line = if *last == b'\n' { Line::Start } else { Line::Middle };
        self.find_long_lines(block);
    }

    /// Steps from line end to line end, as far as can be without passing a whole line above the limit: the last LF
    /// within reach ends lines that are short enough, however many.
    fn find_long_lines(&mut self, block: &[u8]) {
        let mut rest = block;
        loop {
            let reach = LINE_LIMIT.saturating_sub(self.length) as usize + 1;
            let near = &rest[..reach.min(rest.len())];
            let (length, end) = match memrchr(b'\n', near) {
                Some(end) => (self.length, end),
                None => match memchr(b'\n', &rest[near.len()..]) {
                    Some(end) => {
                        let end = near.len() + end;
                        (self.length + end as u64 - u64::from(rest[end - 1] == b'\r'), end)
                    }
                    None => {
                        self.length += rest.len() as u64;
                        return;
                    }
                },
            };
            self.longest = self.longest.max(length);
            self.length = 0;
            rest = &rest[end + 1..];
        }
    }

    /// Counts octets one by one, or by the text between those that need care.
    fn count_pieces(&mut self, block: &[u8]) {
        let mut at = 0;
        while at < block.len() {
            match (block[at], self.line) {
                (b'\n', _) => {
                    self.end_lines(1);
                    self.line = Line::Start;
                }
                (b'\r', Line::AfterCr(CR_RUN)) => self.end_lines(1),
                (b'\r', Line::AfterCr(count)) => self.line = Line::AfterCr(count + 1),
                (b'\r', _) => self.line = Line::AfterCr(1),
                (0, _) => {}
                (_, line) => {
                    if let Line::AfterCr(count) = line {
                        self.end_lines(count);
                    }
                    self.line = Line::Middle;
                    let length = memchr3(b'\n', b'\r', 0, &block[at..]).unwrap_or(block.len() - at);
                    self.size += length as u64;
                    self.length += length as u64;
                    at += length;
                    continue;
                }
            }
            at += 1;
        }
    }

    fn end_lines(&mut self, count: u32) {
        self.size += 2 * u64::from(count);
        self.longest = self.longest.max(self.length);
        self.length = 0;
    }
}

/// Whether a block has no NUL and no CR but before LF.
fn is_plain(block: &[u8]) -> bool {
    memchr(0, block).is_none() && memchr_iter(b'\r', block).all(|at| block.get(at + 1) == Some(&b'\n'))
}

/// As in `smtp::framing`: so many CRs in a row are kept in mind, and of more the first ones are line ends.
const CR_RUN: u32 = 1024;

/// Octets in a line without its CRLF (RFC 5322 section 2.1.1); only above that the length matters.
pub const LINE_LIMIT: u64 = 998;
