//! Writing a message from its pieces: subject, text, HTML and files.

mod check;
mod part;

use super::Facts;
use super::body::Body;
use super::charset::Charset;
use super::incoming::{Incoming, ReadError};
use super::spool::{MEMORY_LIMIT, Spool};
use crate::address::{Address, AddressError, Mailbox};
use crate::system::words;
use mail_builder::headers::Header;
use mail_builder::headers::address::Address as Written;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text as Unstructured;
use part::Part;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// What a message is made of. Date and Message-ID are added by [`prepare`](super::prepare::prepare), and From too when
/// there is none.
#[derive(Debug, Default)]
pub struct Draft {
    /// The author.
    pub from: Option<Mailbox>,
    /// The recipients that are named in To.
    pub to: Vec<Mailbox>,
    /// The recipients that are named in Cc.
    pub cc: Vec<Mailbox>,
    /// The recipients that are named nowhere.
    pub bcc: Vec<Mailbox>,
    /// Where answers go.
    pub reply_to: Vec<Mailbox>,
    /// The subject.
    pub subject: Option<String>,
    /// The text; lines end as they may.
    pub text: Option<Text>,
    /// The same as HTML.
    pub html: Option<Text>,
    /// Files that come with the message.
    pub attachments: Vec<Attachment>,
    /// Files that the HTML shows.
    pub inline: Vec<Inline>,
    /// Other header fields: name and value.
    pub headers: Vec<(String, String)>,
}

/// A text, which may be longer than memory.
#[derive(Debug)]
pub enum Text {
    /// It is here.
    Short(String),
    /// It is in a file.
    Long(LongText),
}

/// A text that is in a file, and what was learnt of it.
#[derive(Debug)]
pub struct LongText {
    body: Body,
    facts: Facts,
    controls: part::Controls,
}

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotUtf8,
    /// The system says why.
    #[error(transparent)]
    Read(#[from] io::Error),
}

impl Text {
    /// Reads a text to its end. One of more than [`MEMORY_LIMIT`] octets goes to a temporary file.
    ///
    /// # Errors
    /// [`TextError`] when the input or the temporary file fails, or the text is not UTF-8.
    pub fn read(mut input: impl Read) -> Result<Self, TextError> {
        let mut octets = Vec::new();
        input.by_ref().take(MEMORY_LIMIT as u64).read_to_end(&mut octets)?;
        if octets.len() < MEMORY_LIMIT {
            return String::from_utf8(octets).map(Text::Short).map_err(|_| TextError::NotUtf8);
        }
        match part::read(&mut octets.chain(input))? {
            (_, _, Charset::Unknown, _) => Err(TextError::NotUtf8),
            (body, facts, Charset::Ascii | Charset::Utf8, controls) => {
                Ok(Text::Long(LongText { body, facts, controls }))
            }
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Short(text.to_owned())
    }
}

/// A file that comes with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called in the message; the last part of the path when not given.
    pub name: Option<String>,
    /// Its media type (`image/png`, `text/plain; charset=utf-8`); guessed from the name when not given.
    pub content_type: Option<String>,
}

/// A file that the HTML shows by `cid:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inline {
    /// Where it is.
    pub path: PathBuf,
    /// What stands behind `cid:` in the HTML.
    pub cid: String,
    /// Its media type, as in [`Attachment`].
    pub content_type: Option<String>,
}

/// Why a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A name that no field can have.
    #[error("{0} is no name for a header field")]
    HeaderName(String),
    /// A field that is made from other pieces.
    #[error("the header field {0} cannot be given by hand")]
    HeaderReserved(String),
    /// A line break or another control character, which would make other fields.
    #[error("the value of {0} has a line break or another control character")]
    Control(String),
    /// A sender or recipient whose name has one.
    #[error("bad address: {0}")]
    Address(AddressError),
    /// Something that is no media type, or one that no file has.
    #[error("{0} is no media type for a file")]
    ContentType(String),
    /// A content id that cannot be written.
    #[error("{0} is no content id: letters, digits and . _ - + @ are")]
    ContentId(String),
    /// A file that cannot be read.
    #[error("cannot read {path}: {}", words(error))]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        error: io::Error,
    },
    /// The temporary file failed.
    #[error("cannot write the message: {}", words(.0))]
    Spool(#[from] io::Error),
    /// The finished message cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Draft {
    /// All recipients: To, Cc and Bcc.
    pub fn recipients(&self) -> Vec<Address> {
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc);
        all.map(|mailbox| mailbox.address.clone()).collect()
    }
}

/// Writes a message, which [`prepare`](super::prepare::prepare) then makes ready to be sent. Attachments and long texts
/// are read once and never are in memory as a whole. Bcc is not written.
///
/// # Errors
/// [`ComposeError`]: when a piece could make fields of its own, or a file cannot be read.
pub fn compose(draft: Draft) -> Result<Incoming, ComposeError> {
    check::draft(&draft)?;
    let mut head = Vec::new();
    push_mailboxes(&mut head, "From", draft.from.as_slice());
    push_mailboxes(&mut head, "Reply-To", &draft.reply_to);
    push_mailboxes(&mut head, "To", &draft.to);
    push_mailboxes(&mut head, "Cc", &draft.cc);
    if let Some(subject) = &draft.subject {
        push_text(&mut head, "Subject", subject);
    }
    for (name, value) in &draft.headers {
        push_text(&mut head, name, value);
    }
    head.extend_from_slice(b"MIME-Version: 1.0\r\n");
    let mut spool = Spool::new();
    spool.write_all(&head)?;
    content(draft)?.write(&mut spool)?;
    Ok(Incoming::from_spool(spool)?)
}

/// The parts, nested as RFC 2046 and RFC 2387 want them.
fn content(draft: Draft) -> Result<Part, ComposeError> {
    let mut shown: Vec<Part> = Vec::new();
    let mut files = Vec::new();
    if let Some(text) = draft.text {
        shown.push(Part::text("text/plain", text));
    }
    let mut pictures = draft.inline.iter().map(part::inline).collect::<Result<Vec<_>, _>>()?;
    match draft.html {
        Some(html) => {
            let html = Part::text("text/html", html);
            pictures.insert(0, html);
            shown.push(Part::joined("multipart/related", pictures));
        }
        None => files.append(&mut pictures),
    }
    for attachment in &draft.attachments {
        files.push(part::attachment(attachment)?);
    }
    let mut parts = Vec::with_capacity(files.len() + 1);
    if !shown.is_empty() || files.is_empty() {
        parts.push(if shown.is_empty() {
            Part::text("text/plain", "".into())
        } else {
            Part::joined("multipart/alternative", shown)
        });
    }
    if files.is_empty() {
        return Ok(Part::joined("multipart/mixed", parts));
    }
    parts.append(&mut files);
    // A file alone still is an attachment to a message.
    Ok(Part::Several { content_type: "multipart/mixed", parts })
}

fn push_mailboxes(head: &mut Vec<u8>, name: &str, mailboxes: &[Mailbox]) {
    if mailboxes.is_empty() {
        return;
    }
    let list = mailboxes.iter().map(|one| Written::new_address(one.name.as_deref(), one.address.as_str())).collect();
    push(head, name, &Written::new_list(list));
}

/// A field of unstructured text. What is ASCII stays as it is, if only it can be folded.
fn push_text(head: &mut Vec<u8>, name: &str, value: &str) {
    let value = value.trim();
    if value.is_ascii() && value.split_ascii_whitespace().all(|word| word.len() <= WORD_LIMIT) {
        push(head, name, &Raw::new(value));
    } else {
        push(head, name, &Unstructured::new(value));
    }
}

fn push(head: &mut Vec<u8>, name: &str, value: &impl Header) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    value.write_header(head, name.len() + 2);
}

/// A longer word does not fit into a line and must be encoded to be broken.
const WORD_LIMIT: usize = 900;
