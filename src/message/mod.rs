//! The message: header and body as they will be sent, in constant memory.
//!
//! ```text
//! File → incoming::read → Incoming → prepare::prepare → Message (a Source, with Facts) + recipients
//! Draft → compose::compose ↗
//! ```

mod base64;
mod body;
mod charset;
pub mod compose;
pub mod dkim;
pub mod downgrade;
pub(crate) mod edit;
pub mod header;
pub mod incoming;
pub mod mailbox;
mod mime;
pub(crate) mod phrase;
pub mod prepare;
mod quoted_printable;
pub mod spool;
pub mod tally;
pub mod tls_required;

use body::Body;
use std::io;

/// What was learnt of a message in the one pass that scans it. It describes what will be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Octets of header, blank line and body with CRLF line ends, without dot-stuffing and end of data: the
    /// value of `SIZE=` (RFC 1870 section 6).
    pub size: u64,
    /// Whether any octet is above 127.
    pub eight_bit: bool,
    /// What the octets of the header are.
    pub header: HeaderText,
    /// The same of the headers of its parts, and of messages in it, as far as these can be told.
    pub part_headers: HeaderText,
    /// The longest line in octets without CRLF (exact where it matters: above 998).
    pub longest_line: u64,
}

/// What the octets of a header are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeaderText {
    /// ASCII, as it must be without SMTPUTF8.
    #[default]
    Ascii,
    /// UTF-8, and not ASCII alone (RFC 6532).
    Utf8,
    /// There are octets above 127 in another charset.
    Other,
}

impl HeaderText {
    /// What these octets are.
    pub fn of(octets: &[u8]) -> Self {
        match std::str::from_utf8(octets) {
            Ok(text) if text.is_ascii() => HeaderText::Ascii,
            Ok(_) => HeaderText::Utf8,
            Err(_) => HeaderText::Other,
        }
    }
}

/// Where the octets of a message come from, block by block, as often as they are asked for.
///
/// The octets may have any line ends: `smtp::framing` makes them CRLF, drops NUL and stuffs dots in one pass,
/// block by block. [`Facts`] describe the result of that pass.
pub trait Source {
    /// Goes back to the first octet.
    ///
    /// # Errors
    /// When the file below cannot seek.
    fn rewind(&mut self) -> io::Result<()>;

    /// Puts the next octets at the end of `out` (about 64 KiB at most) and tells whether there may be more.
    /// At the end a file that was read twice is compared with what it was when it was scanned.
    ///
    /// # Errors
    /// When reading fails, or when the file has changed since it was scanned.
    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More>;

    /// Goes back to the first octet behind the signatures that were made here. They do not fit what is made of the rest.
    ///
    /// # Errors
    /// As [`Source::rewind`].
    fn rewind_unsigned(&mut self) -> io::Result<()> {
        self.rewind()
    }
}

/// Whether a [`Source`] has more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// There may be more.
    Yes,
    /// That was the last.
    No,
}

/// A message as it will be sent.
#[derive(Debug)]
pub struct Message {
    /// The header with the empty line at its end.
    head: Vec<u8>,
    /// Octets of the signatures that the head begins with.
    signatures: usize,
    body: Body,
    body_facts: Facts,
    facts: Facts,
    /// Where it is read as a [`Source`] of its own.
    at: At,
}

/// How much was read of a message.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    head: usize,
    body: u64,
}

/// A message as one of several read it at the same time, each at a place of its own: it has no octets, and the file of a
/// long body is read by its offset.
#[derive(Debug)]
pub struct Reader<'a> {
    message: &'a Message,
    at: At,
}

impl Message {
    /// A message of a head, which ends with an empty line, and a body with its facts.
    fn new(head: Vec<u8>, body: Body, body_facts: Facts) -> Self {
        let mut tally = tally::Tally::default();
        tally.push(&head);
        let head_facts = tally.finish();
        let facts = Facts {
            size: head_facts.size + body_facts.size,
            eight_bit: head_facts.eight_bit || body_facts.eight_bit,
            header: HeaderText::of(&head),
            part_headers: body_facts.part_headers,
            longest_line: head_facts.longest_line.max(body_facts.longest_line),
        };
        Message { head, signatures: 0, body, body_facts, facts, at: At::default() }
    }

    /// The same message under another head, which ends with an empty line and has no signature of ours.
    pub(crate) fn with_head(self, head: Vec<u8>) -> Self {
        Message::new(head, self.body, self.body_facts)
    }

    fn set_part_headers(&mut self, text: HeaderText) {
        self.body_facts.part_headers = text;
        self.facts.part_headers = text;
    }

    /// What was learnt when the message was scanned.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The header, with the empty line at its end.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Puts signatures above the header: whole fields with CRLF line ends, of ASCII.
    pub fn add_signatures(&mut self, fields: &[u8]) {
        let mut tally = tally::Tally::default();
        tally.push(fields);
        let added = tally.finish();
        self.facts.size += added.size;
        self.facts.longest_line = self.facts.longest_line.max(added.longest_line);
        self.head.splice(0..0, fields.iter().copied());
        self.signatures += fields.len();
        self.at = At::default();
    }

    /// A reader at the first octet.
    pub fn reader(&self) -> Reader<'_> {
        Reader { message: self, at: At::default() }
    }

    fn unsigned(&self) -> At {
        At { head: self.signatures, body: 0 }
    }

    fn read_at(&self, at: &mut At, out: &mut Vec<u8>) -> io::Result<More> {
        let rest = &self.head[at.head..];
        let block = &rest[..rest.len().min(incoming::BLOCK)];
        out.extend_from_slice(block);
        at.head += block.len();
        if block.len() < rest.len() {
            return Ok(More::Yes);
        }
        self.body.read_block(&mut at.body, out, incoming::BLOCK - block.len())
    }
}

impl Source for Message {
    fn rewind(&mut self) -> io::Result<()> {
        self.at = At::default();
        Ok(())
    }

    fn rewind_unsigned(&mut self) -> io::Result<()> {
        self.at = self.unsigned();
        Ok(())
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
        let mut at = self.at;
        let more = self.read_at(&mut at, out);
        self.at = at;
        more
    }
}

impl Source for Reader<'_> {
    fn rewind(&mut self) -> io::Result<()> {
        self.at = At::default();
        Ok(())
    }

    fn rewind_unsigned(&mut self) -> io::Result<()> {
        self.at = self.message.unsigned();
        Ok(())
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
        self.message.read_at(&mut self.at, out)
    }
}
