//! Re-encoding: a message is made fit for a server that takes less than the message has (RFC 6152 section 3).
//!
//! ```text
//! Source → lines → walk → survey (what each part needs) → plans
//! Source → lines → walk → write (by those plans) → Message
//! ```
//!
//! Only leaves are encoded (RFC 2045 section 6.4): text as quoted-printable, anything else as base64; the labels of what
//! is around them follow. Whatever some reader may see differently afterwards is refused. The message is read twice and
//! the result is kept in a [`Spool`], so that the size of the message does not matter.

mod encoded_word;
mod entity;
mod field;
mod lines;
mod parameters;
mod parts;
mod survey;
mod walk;
mod write;

use super::{HeaderText, Message, More, Source};
use crate::system::words;
use lines::Lines;
pub use parts::{Parts, look};
use std::io;
use survey::Survey;
use walk::{Reach, Walker};
use write::Writer;

#[cfg(doc)]
use super::spool::Spool;

/// What a message must become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// ASCII throughout, header and body: for a server without 8BITMIME. Long lines go where a part is encoded.
    SevenBit,
    /// Header fields that a server with 8BITMIME takes, which says nothing of headers (RFC 6152 section 1). All else stays
    /// as it is.
    Header(Extent, Fields),
    /// Lines of text throughout: a part of any other type that is called binary becomes base64, with each of its octets. All
    /// else stays as it is.
    Lines,
    /// No line of text above 998 octets in the body (RFC 5322 section 2.1.1).
    ShortLines,
}

/// Whose header fields are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those of the message; the headers of its parts, if it has such, are ASCII.
    Message,
    /// Those of its parts and of messages in it, too.
    Parts,
}

/// What header fields may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// ASCII: without SMTPUTF8.
    Ascii,
    /// UTF-8 (RFC 6532): with SMTPUTF8. Fields in another charset become ASCII.
    Utf8,
}

impl Goal {
    /// Whether these octets of a header must become others.
    fn is_against(self, octets: &[u8]) -> bool {
        match self {
            Goal::SevenBit | Goal::Header(_, Fields::Ascii) => !octets.is_ascii(),
            Goal::Header(_, Fields::Utf8) => HeaderText::of(octets) == HeaderText::Other,
            Goal::ShortLines | Goal::Lines => false,
        }
    }

    /// Whether nothing but header fields becomes another.
    fn keeps_content(self) -> bool {
        matches!(self, Goal::Header(..))
    }

    fn reach(self) -> Reach {
        if self.is_message_header() { Reach::Header } else { Reach::Parts }
    }

    fn is_message_header(self) -> bool {
        matches!(self, Goal::Header(Extent::Message, _))
    }
}

/// A message that was re-encoded.
#[derive(Debug)]
pub struct Reencoded {
    /// What is sent.
    pub message: Message,
    /// Whether it, or a message in it, has a signature that does not fit any more.
    pub dkim: Dkim,
}

/// DKIM-Signature fields (RFC 6376) in a message that was re-encoded. They are left where they are: a signature that
/// cannot be verified counts as none (section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dkim {
    /// There is none.
    None,
    /// There is one, and it cannot be verified any more.
    Broken,
}

/// Why a message was not re-encoded.
#[derive(Debug, thiserror::Error)]
pub enum DowngradeError {
    /// It cannot be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The message cannot be read again, or the result not be kept.
    #[error("cannot re-encode the message: {}", words(.0))]
    Io(#[from] io::Error),
}

/// What in a message stands against re-encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `multipart/signed`.
    #[error("a signed part has 8-bit content, and the signature would break")]
    Signed,
    /// `multipart/encrypted`.
    #[error("an encrypted part has 8-bit content, and must stay as it is")]
    Encrypted,
    /// Readers differ in what they make of it: where.
    #[error("its parts cannot be told for certain: {0}")]
    Unclear(&'static str),
    /// An encoding that should have left nothing to do, or an unknown one: its name.
    #[error("a part has 8-bit content, although its encoding is {0}")]
    Encoded(String),
    /// A media type that must not be encoded: its name.
    #[error("a part of type {0} has 8-bit content, and must not be encoded")]
    Type(String),
    /// A leaf of this type has NULs or bare CRs, which are lost in SMTP.
    #[error("a part of type {0} is not lines of text, and has to be encoded by who writes the message")]
    Binary(String),
    /// Text that is called binary has NULs, which are lost in SMTP. It is not encoded octet by octet: its line ends are
    /// those of SMTP.
    #[error("it is text with NULs")]
    Nul,
    /// A leaf of this type has long lines.
    #[error("a part of type {0} has lines of more than 998 octets")]
    LongLines(String),
    /// A header field without a place for an encoded word: its name.
    #[error("the header field {0} has 8-bit content where no encoding is allowed")]
    Field(String),
    /// An address that is not ASCII: the field.
    #[error("an address in the header field {0} is not ASCII, and the server does not take such")]
    Address(String),
    /// More parts than anybody writes.
    #[error("it has more than 100,000 parts")]
    ManyParts,
    /// Parts in parts in parts.
    #[error("its parts are nested more than 100 deep")]
    Deep,
    /// A header of more than 2 MiB.
    #[error("a part has a header larger than 2 MiB")]
    LargeHeader,
}

/// Re-encodes a message, block by block.
pub struct Reencoder<'a> {
    source: &'a mut dyn Source,
    goal: Goal,
    pass: Pass,
    block: Vec<u8>,
}

enum Pass {
    Survey(Lines, Walker<Survey>),
    Write(Lines, Walker<Writer>),
    Over,
}

impl<'a> Reencoder<'a> {
    /// Begins at the first octet of the message.
    ///
    /// # Errors
    /// When the message cannot be read again.
    pub fn new(source: &'a mut dyn Source, goal: Goal) -> io::Result<Self> {
        source.rewind_unsigned()?;
        let pass = Pass::Survey(Lines::default(), Walker::new(Survey::new(goal), goal.reach()));
        Ok(Reencoder { source, goal, pass, block: Vec::new() })
    }

    /// Does the next block (of about 64 KiB); gives the message when that was the last.
    ///
    /// # Errors
    /// [`DowngradeError`]. There is nothing more to do then.
    pub fn step(&mut self) -> Result<Option<Reencoded>, DowngradeError> {
        self.block.clear();
        let more = self.source.read_block(&mut self.block)?;
        match (&mut self.pass, more) {
            (Pass::Survey(lines, walker), More::Yes) => {
                lines.push(&self.block, walker)?;
                if walker.visitor().knows_enough() {
                    self.block.clear();
                    return self.end_pass();
                }
            }
            (Pass::Write(lines, walker), More::Yes) => {
                lines.push(&self.block, walker)?;
                walker.visitor().flush()?;
            }
            (_, More::No) => return self.end_pass(),
            (Pass::Over, _) => {}
        }
        Ok(None)
    }

    /// Does all that is left.
    ///
    /// # Errors
    /// [`DowngradeError`].
    pub fn run(mut self) -> Result<Reencoded, DowngradeError> {
        loop {
            if let Some(done) = self.step()? {
                return Ok(done);
            }
        }
    }

    fn end_pass(&mut self) -> Result<Option<Reencoded>, DowngradeError> {
        match std::mem::replace(&mut self.pass, Pass::Over) {
            Pass::Survey(mut lines, mut walker) => {
                lines.push(&self.block, &mut walker)?;
                lines.finish(&mut walker)?;
                let survey = walker.finish()?;
                self.source.rewind_unsigned()?;
                self.pass = Pass::Write(
                    Lines::default(),
                    Walker::new(Writer::new(self.goal, survey.finish()), self.goal.reach()),
                );
                Ok(None)
            }
            Pass::Write(mut lines, mut walker) => {
                lines.push(&self.block, &mut walker)?;
                lines.finish(&mut walker)?;
                Ok(Some(walker.finish()?.finish()?))
            }
            Pass::Over => Err(io::Error::other("it was re-encoded already").into()),
        }
    }
}
