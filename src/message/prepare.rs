//! The fix-ups between what a caller wrote and what is sent: fields added, taken away and mended, and the recipients
//! in the header.

pub use super::charset::UNKNOWN as UNKNOWN_CHARSET;
use super::downgrade::{self, DowngradeError, Goal, Reencoder, Refusal};
use super::edit::{push_folded, qualify};
use super::header::{Field, fields};
use super::incoming::{Binary, Incoming};
use super::mime::{self, Labels};
use super::{Message, More, Source as _, phrase, tally};
use crate::address::{Address, AddressError, find};
use crate::envelope::ReversePath;
use crate::system::words;
use chrono::{DateTime, FixedOffset, Local};
use memchr::memchr;
use std::cell::LazyCell;
use std::io;

/// Who sends, on which machine.
#[derive(Debug)]
pub struct Identity {
    /// The caller. Looked up when it is needed, because the system's files of users are a third of the system calls
    /// of a message that does not need them.
    pub caller: LazyCell<Caller>,
    /// What unqualified addresses get after the `@`.
    pub mail_domain: String,
    /// The full name of the machine, for Message-ID.
    pub host: LazyCell<String>,
}

/// The user that calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The login name.
    pub login: String,
    /// The name: `NAME`, or the gecos field.
    pub full_name: Option<String>,
}

impl Identity {
    /// The caller's own address: the sender when no other is given.
    ///
    /// # Errors
    /// When login and mail domain make no address.
    pub fn address(&self) -> Result<Address, AddressError> {
        let domain = (!self.mail_domain.is_empty()).then_some(self.mail_domain.as_bytes());
        Address::from_parts(self.caller.login.as_bytes(), domain)
            .map_err(|fault| AddressError::new(format!("{}@{}", self.caller.login, self.mail_domain).as_bytes(), fault))
    }
}

/// How a message is prepared.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// Who sends.
    pub identity: &'a Identity,
    /// Whether a sender was given.
    pub sender: Sender<'a>,
    /// The name for a From that is added (`-F`); an empty one is no name.
    pub name: Option<&'a str>,
    /// Whether the header names the recipients.
    pub recipients: Recipients,
    /// Whether fields are added and mended.
    pub fix_ups: FixUps,
    /// What happens to long lines of the body.
    pub long_lines: LongLines,
    /// What an 8-bit body is called that says nothing of itself and is not UTF-8; see [`UNKNOWN_CHARSET`].
    pub charset: &'a str,
    /// The clock; called at most once, when a field needs it. See [`local_time`].
    pub clock: fn() -> DateTime<FixedOffset>,
}

/// The sender in a [`Rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// None was given: the caller sends.
    Caller,
    /// One was given (`-f`).
    Given(&'a ReversePath),
}

/// Where recipients come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Only from arguments: the header is not asked.
    Arguments,
    /// From To, Cc, Bcc and Apparently-To too (`-t`); when there is a Resent-To, Resent-Cc or Resent-Bcc, only from
    /// these three.
    Header,
}

/// Which fix-ups are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixUps {
    /// All.
    All,
    /// Only Bcc is taken away (`-G`: the message was prepared elsewhere).
    OnlyBcc,
}

/// What happens to lines of more than 998 octets in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLines {
    /// Parts of text that have them and no encoding become quoted-printable; where that is not enough, the message is
    /// refused.
    Encode,
    /// They are sent.
    Pass,
    /// The message is refused.
    Refuse,
}

/// A message and those whom its header names.
#[derive(Debug)]
pub struct Prepared {
    /// What is sent.
    pub message: Message,
    /// The recipients in the header, in its order, with duplicates; none when the header was not asked.
    pub recipients: Vec<Address>,
}

/// Why a message cannot be sent as it is.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A recipient in the header is no address.
    #[error("bad address in {field}: {error}")]
    Recipient {
        /// The field.
        field: String,
        /// What is wrong.
        error: AddressError,
    },
    /// Login and mail domain make no address for From.
    #[error("cannot make a From field: {0}")]
    Author(AddressError),
    /// A line of the body is too long and must stay as it is.
    #[error("a line of the body has {0} octets: more than the 998 that SMTP allows, and the body cannot be re-encoded")]
    LongLine(u64),
    /// There is a part that is no lines of text, and must stay as it is.
    #[error("a part is called binary and is not lines of text, and cannot be re-encoded: {}", why(.0))]
    Binary(Refusal),
    /// The body cannot be read again, or not be kept.
    #[error("cannot re-encode the message: {}", words(.0))]
    Encode(#[source] io::Error),
    /// The body cannot be read again.
    #[error("cannot read the message again: {}", words(.0))]
    Read(#[source] io::Error),
}

fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Signed => "it is in a signed part".to_owned(),
        Refusal::Encrypted => "it is in an encrypted part".to_owned(),
        other => other.to_string(),
    }
}

/// The time of this machine's clock and zone.
pub fn local_time() -> DateTime<FixedOffset> {
    Local::now().fixed_offset()
}

/// Makes of a message what is sent.
///
/// Added on top when missing: Date, From, Message-ID; the same with `Resent-` when somebody is in Resent-To, -Cc or
/// -Bcc; and MIME labels for an 8-bit body that has none. Taken away: Bcc and Resent-Bcc, Return-Path, Content-Length,
/// and fields for addresses, dates and ids that are empty. Mended: blanks before the colon, addresses without a
/// domain, lines of more than 998 octets. All else keeps every octet.
///
/// # Errors
/// [`PrepareError`]; for a bad recipient only when the header is asked for recipients.
pub fn prepare(incoming: Incoming, rules: &Rules<'_>) -> Result<Prepared, PrepareError> {
    let Incoming { header, body, facts, charset, binary, .. } = incoming;
    let header = Header { fields: fields(&header), octets: &header, rules };
    let recipients = match rules.recipients {
        Recipients::Header => header.recipients()?,
        Recipients::Arguments => Vec::new(),
    };
    let labels = Labels::of(header.octets, &header.fields);
    // One part is encoded as it is; of several only those that need it are.
    let is_too_long = facts.longest_line > tally::LINE_LIMIT && rules.long_lines == LongLines::Encode;
    let is_whole = is_too_long && labels.allow_encoding();
    let mut head = Vec::with_capacity(header.octets.len() + 512);
    if rules.fix_ups == FixUps::All {
        header.push_missing(&mut head)?;
    }
    let mut replaced: &[Field] = &[];
    let (body, body_facts) = if is_whole {
        head.extend_from_slice(labels.missing(charset, rules.charset, "quoted-printable").as_bytes());
        replaced = &labels.encodings;
        mime::encode(body).map_err(PrepareError::Encode)?
    } else {
        if facts.eight_bit && labels.are_missing() && rules.fix_ups == FixUps::All {
            head.extend_from_slice(labels.missing(charset, rules.charset, "8bit").as_bytes());
        }
        (body, facts)
    };
    for field in header.fields.iter().filter(|field| !replaced.contains(field)) {
        header.push_field(field, &mut head);
    }
    head.extend_from_slice(b"\r\n");
    let mut message = Message::new(head, body, body_facts);
    let is_binary = binary == Binary::Maybe || labels.are_binary();
    // What stands in the headers of parts is of meaning to servers, so it must be known before any is asked.
    if is_binary || (body_facts.eight_bit && labels.may_have_parts()) {
        let parts = downgrade::look(&mut message).map_err(PrepareError::Read)?;
        message.set_part_headers(parts.headers);
        if parts.binary {
            message = with_lines(message)?;
        }
    }
    match (message.body_facts.longest_line, rules.long_lines) {
        (longest @ LONG.., LongLines::Refuse) => return Err(PrepareError::LongLine(longest)),
        (longest @ LONG.., LongLines::Encode) => message = shorten(&mut message, longest)?,
        _ => {}
    }
    Ok(Prepared { message, recipients })
}

/// Octets of a line that is too long.
const LONG: u64 = tally::LINE_LIMIT + 1;

/// SMTP has lines of text: without BINARYMIME, which few servers offer, octets that are none are lost or changed (RFC 3030
/// section 3). Where nobody can tell the parts for certain, line ends are; NULs are not dropped from what is called binary.
fn with_lines(mut message: Message) -> Result<Message, PrepareError> {
    match Reencoder::new(&mut message, Goal::Lines).map_err(PrepareError::Encode)?.run() {
        Ok(reencoded) => Ok(reencoded.message),
        Err(DowngradeError::Refused(refusal @ (Refusal::Signed | Refusal::Encrypted))) => {
            Err(PrepareError::Binary(refusal))
        }
        Err(DowngradeError::Refused(refusal)) if has_nul(&mut message).map_err(PrepareError::Read)? => {
            Err(PrepareError::Binary(refusal))
        }
        Err(DowngradeError::Refused(_)) => Ok(message),
        Err(DowngradeError::Io(error)) => Err(PrepareError::Encode(error)),
    }
}

fn has_nul(message: &mut Message) -> std::io::Result<bool> {
    message.rewind()?;
    let (mut block, mut found, mut more) = (Vec::new(), false, More::Yes);
    while !found && more == More::Yes {
        block.clear();
        more = message.read_block(&mut block)?;
        found = memchr(0, &block).is_some();
    }
    message.rewind()?;
    Ok(found)
}

fn shorten(message: &mut Message, longest_line: u64) -> Result<Message, PrepareError> {
    let reencoded = Reencoder::new(message, Goal::ShortLines).map_err(PrepareError::Encode)?.run();
    reencoded.map(|reencoded| reencoded.message).map_err(|error| match error {
        DowngradeError::Refused(_) => PrepareError::LongLine(longest_line),
        DowngradeError::Io(error) => PrepareError::Encode(error),
    })
}

/// A header in work.
struct Header<'a> {
    octets: &'a [u8],
    fields: Vec<Field>,
    rules: &'a Rules<'a>,
}

impl Header<'_> {
    fn recipients(&self) -> Result<Vec<Address>, PrepareError> {
        let names: &[&str] = if self.is_resent() { &RESENT } else { &["To", "Cc", "Bcc", "Apparently-To"] };
        let mut recipients = Vec::new();
        for field in &self.fields {
            let Some(name) = names.iter().find(|name| field.is(self.octets, name)) else { continue };
            let bad = |error| PrepareError::Recipient { field: (*name).to_owned(), error };
            for found in find(&self.octets[field.value.clone()]).map_err(bad)? {
                recipients.push(found.address(&self.rules.identity.mail_domain).map_err(bad)?);
            }
        }
        Ok(recipients)
    }

    fn is_resent(&self) -> bool {
        RESENT.iter().any(|name| self.has(name))
    }

    /// Whether there is such a field, empty or not.
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.is(self.octets, name))
    }

    fn value(&self, field: &Field) -> &[u8] {
        &self.octets[field.value.clone()]
    }

    /// Whether a field is wanted that is not there, or is empty everywhere.
    fn lacks(&self, name: &str) -> bool {
        !self.fields.iter().any(|field| field.is(self.octets, name) && !self.value(field).trim_ascii().is_empty())
    }

    fn push_missing(&self, head: &mut Vec<u8>) -> Result<(), PrepareError> {
        let mut now = None;
        let prefixes: &[&str] = if self.is_resent() { &["Resent-", ""] } else { &[""] };
        for prefix in prefixes {
            let lacks = |name| self.lacks(&format!("{prefix}{name}"));
            if lacks("Date") {
                let now = now.get_or_insert_with(self.rules.clock).to_rfc2822();
                head.extend_from_slice(format!("{prefix}Date: {now}\r\n").as_bytes());
            }
            if lacks("From") {
                let (address, name) = self.author()?;
                let mut field = format!("{prefix}From: ").into_bytes();
                field.extend(phrase::mailbox(name, &address, field.len()));
                field.extend_from_slice(b"\r\n");
                push_folded(&field, head);
            }
            if lacks("Message-ID") {
                let id = message_id(now.get_or_insert_with(self.rules.clock), self.rules.identity);
                head.extend_from_slice(format!("{prefix}Message-ID: <{id}>\r\n").as_bytes());
            }
        }
        Ok(())
    }

    /// Whom a From field names that is added.
    fn author(&self) -> Result<(Address, Option<&str>), PrepareError> {
        let identity = self.rules.identity;
        let (address, own) = match self.rules.sender {
            Sender::Given(ReversePath::Address(address)) => (Ok(address.clone()), None),
            Sender::Given(ReversePath::Null) => (identity.address(), None),
            Sender::Caller => (identity.address(), identity.caller.full_name.as_deref()),
        };
        Ok((address.map_err(PrepareError::Author)?, self.rules.name.or(own)))
    }

    fn push_field(&self, field: &Field, head: &mut Vec<u8>) {
        let is = |names: &[&str]| names.iter().any(|name| field.is(self.octets, name));
        if is(&["Bcc", "Resent-Bcc"]) {
            return;
        }
        if self.rules.fix_ups == FixUps::OnlyBcc {
            return push_folded(&self.octets[field.whole()], head);
        }
        let value = self.value(field);
        let is_empty = value.trim_ascii().is_empty();
        if is(&["Return-Path", "Content-Length"]) || (is_empty && is(&["To", "Cc", "From", "Date", "Message-ID"])) {
            return;
        }
        let edited = if is(&ADDRESSED) { self.qualified(field) } else { None };
        let name = &self.octets[field.name.clone()];
        let has_blank = field.name.end + 1 < field.value.start;
        match edited {
            None if !has_blank => push_folded(&self.octets[field.whole()], head),
            edited => push_folded(&[name, b":", edited.as_deref().unwrap_or(value)].concat(), head),
        }
    }

    /// The value of an address field, when it must be changed.
    fn qualified(&self, field: &Field) -> Option<Vec<u8>> {
        let (value, identity) = (self.value(field), self.rules.identity);
        let is_bare = !value.contains(&b'@') && field.is(self.octets, "From");
        if is_bare
            && value.trim_ascii() == identity.caller.login.as_bytes()
            && let (Some(name), Ok(address)) = (&identity.caller.full_name, identity.address())
        {
            let is_sender = match self.rules.sender {
                Sender::Given(path) => path.as_str() == address.as_str(),
                Sender::Caller => true,
            };
            if is_sender {
                let end = value.trim_ascii_end().len();
                let mailbox = phrase::mailbox(Some(name), &address, "From: ".len());
                return Some([b" ", &mailbox[..], &value[end..]].concat());
            }
        }
        qualify(value, &identity.mail_domain)
    }
}

/// An id that nobody else makes: the time, chance, and the machine.
fn message_id(now: &DateTime<FixedOffset>, identity: &Identity) -> String {
    let time = now.timestamp_micros().unsigned_abs();
    // Without chance, the time and the process still tell messages apart.
    let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    let is_host = |host: &&str| {
        !host.starts_with("localhost")
            && !host.starts_with('[')
            && Address::from_parts(b"x", Some(host.as_bytes())).is_ok()
    };
    let names = [identity.host.as_str(), &identity.mail_domain];
    let host = names.into_iter().find(is_host).unwrap_or("posthaste.invalid");
    format!("{}.{}@{}", base36(time), base36(random), host.trim_end_matches('.'))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            return digits.iter().rev().map(|digit| char::from(*digit)).collect();
        }
    }
}

/// The fields that make a message one that is sent on.
const RESENT: [&str; 3] = ["Resent-To", "Resent-Cc", "Resent-Bcc"];

/// The fields whose addresses get a domain.
const ADDRESSED: [&str; 9] =
    ["From", "To", "Cc", "Reply-To", "Sender", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Sender"];
