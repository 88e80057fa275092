//! Messages from files: the only one in a file, all of an mbox (RFC 4155), or those of a Maildir.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::incoming::{Incoming, LoneDot, ReadError, read};
use super::spool::Spool;
use crate::system::{Patient, words};

/// All messages in files and directories, each read when it is asked for.
#[derive(Debug)]
pub struct Mailboxes {
    places: VecDeque<Place>,
    /// An mbox of which messages are left.
    open: Option<Mbox>,
    /// Octets of the files that were read to their end.
    read: u64,
}

/// How much there is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// So many messages, those that cannot be read among them.
    Messages(u64),
    /// So many octets: how many messages are in an mbox is known at its end.
    Octets(u64),
    /// It cannot be known: something is read from a pipe.
    Unknown,
}

/// A message, or why there is none.
#[derive(Debug)]
pub struct Found {
    /// The file, and in an mbox the number of the message.
    pub name: String,
    /// The message.
    pub message: Result<Incoming, MailboxError>,
}

/// Why a file gives no message.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// The file cannot be opened or read.
    #[error("cannot read it: {}", words(.0))]
    Unreadable(#[source] io::Error),
    /// The directory has neither `new` nor `cur`.
    #[error("it is a directory and no Maildir")]
    NoMaildir,
    /// The message cannot be read.
    #[error(transparent)]
    Message(#[from] ReadError),
}

#[derive(Debug)]
enum Place {
    /// Somebody named it, and it may be anything.
    Named(PathBuf),
    /// It is a file of a Maildir, and one message.
    Single(PathBuf),
}

impl Mailboxes {
    /// Nothing is opened yet.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Mailboxes { places: paths.into_iter().map(Place::Named).collect(), open: None, read: 0 }
    }

    /// How much there is, before anything was read. Each file is looked at for it.
    pub fn total(&self) -> Total {
        let (mut messages, mut octets, mut any_mbox) = (0, 0, false);
        for place in &self.places {
            let (Place::Named(path) | Place::Single(path)) = place;
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => {
                    let files = maildir(path).unwrap_or_default();
                    messages += files.len() as u64;
                    octets +=
                        files.iter().map(|file| fs::metadata(file).map_or(0, |metadata| metadata.len())).sum::<u64>();
                }
                Ok(metadata) if metadata.is_file() => {
                    messages += 1;
                    octets += metadata.len();
                    let mut begin = [0; FROM.len()];
                    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
                    any_mbox |= read.is_ok() && begin == FROM;
                }
                Ok(_) => return Total::Unknown,
                Err(_) => messages += 1,
            }
        }
        if any_mbox { Total::Octets(octets) } else { Total::Messages(messages) }
    }

    /// Octets that were read of all that there are.
    pub fn read(&self) -> u64 {
        self.read + self.open.as_ref().map_or(0, |mbox| mbox.read)
    }

    /// What is in a place: a message, or others in place of it.
    fn enter(&mut self, place: &Place) -> Result<Option<Incoming>, MailboxError> {
        let (Place::Named(path) | Place::Single(path)) = place;
        let metadata = fs::metadata(path).map_err(MailboxError::Unreadable)?;
        if metadata.is_dir() {
            for file in maildir(path)?.into_iter().rev() {
                self.places.push_front(Place::Single(file));
            }
            return Ok(None);
        }
        let mut file = File::open(path).map_err(MailboxError::Unreadable)?;
        if matches!(place, Place::Named(_)) {
            let mut input = BufReader::new(Patient(file));
            let begins = input.fill_buf().map_err(MailboxError::Unreadable)?.starts_with(FROM);
            if begins || !metadata.is_file() {
                let name = path.display().to_string();
                let mut mbox = Mbox { name, input, number: 0, read: 0, kind: Kind::of(begins) };
                let first = mbox.next_message();
                self.keep_open(mbox);
                return first.map(Some);
            }
            file = input.into_inner().0;
            file.seek(SeekFrom::Start(0)).map_err(MailboxError::Unreadable)?;
        }
        self.read += metadata.len();
        Ok(Some(read(file, LoneDot::IsText)?))
    }

    /// Comes back to an mbox, unless it was read to its end.
    fn keep_open(&mut self, mbox: Mbox) {
        match mbox.kind {
            Kind::Open => self.open = Some(mbox),
            Kind::Ended | Kind::Single => self.read += mbox.read,
        }
    }
}

impl Iterator for Mailboxes {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(mut mbox) = self.open.take() {
                let message = mbox.next_message();
                let name = mbox.label();
                self.keep_open(mbox);
                return Some(Found { name, message });
            }
            let place = self.places.pop_front()?;
            let (Place::Named(path) | Place::Single(path)) = &place;
            let name = path.display().to_string();
            match self.enter(&place) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    let name = self.open.as_ref().map_or(name, Mbox::label);
                    return Some(Found { name, message: Ok(message) });
                }
                Err(error) => return Some(Found { name, message: Err(error) }),
            }
        }
    }
}

/// The messages of a Maildir, in the order of their names, which begin with the time.
fn maildir(path: &Path) -> Result<Vec<PathBuf>, MailboxError> {
    let mut files = Vec::new();
    let mut is_maildir = false;
    for folder in ["new", "cur"] {
        let entries = match fs::read_dir(path.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(MailboxError::Unreadable(error)),
        };
        is_maildir = true;
        for entry in entries {
            let entry = entry.map_err(MailboxError::Unreadable)?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            // Whatever else is in there is no message, and a FIFO would never end.
            if !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                files.push(entry.path());
            }
        }
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    if is_maildir { Ok(files) } else { Err(MailboxError::NoMaildir) }
}

const FROM: &[u8] = b"From ";
/// Octets of a line that are looked at together; a longer one is copied in pieces.
const PIECE: u64 = 8 * 1024;

/// Messages behind each other in a file, each behind a line that begins with `From `.
#[derive(Debug)]
struct Mbox {
    name: String,
    input: BufReader<Patient<File>>,
    /// Of the message that was read last, from 1.
    number: usize,
    /// Octets that were read.
    read: u64,
    kind: Kind,
}

/// Whether a line stands before a message: `From sender Thu Jan  1 00:00:00 1970` (RFC 4155). A sentence may begin in the
/// same way, and has no time in it.
fn is_separator(line: &[u8]) -> bool {
    let time =
        |part: &[u8]| matches!(part, [a, b, b':', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()));
    line.starts_with(FROM) && line.windows(5).any(time)
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// There is a message behind the last one that was read.
    Open,
    /// There is none.
    Ended,
    /// It is one message, and no mbox.
    Single,
}

impl Kind {
    fn of(begins_with_from: bool) -> Kind {
        if begins_with_from { Kind::Open } else { Kind::Single }
    }
}

impl Mbox {
    fn label(&self) -> String {
        format!("{}, message {}", self.name, self.number)
    }

    /// The next message. Where the file itself fails, what stands behind cannot be told apart any more.
    fn next_message(&mut self) -> Result<Incoming, MailboxError> {
        match self.scan() {
            Ok(spool) => Ok(Incoming::from_spool(spool)?),
            Err(error) => {
                self.kind = Kind::Ended;
                Err(error)
            }
        }
    }

    /// Reads up to the next message, without the line before this one and the blank one behind it.
    fn scan(&mut self) -> Result<Spool, MailboxError> {
        let mut spool = Spool::new();
        let keep = |spool: &mut Spool, octets: &[u8]| {
            spool.write_all(octets).map_err(|error| MailboxError::Message(ReadError::Spool(error)))
        };
        let mut piece = Vec::new();
        let mut blank: Option<Vec<u8>> = None;
        let mut at_start = true;
        let mut is_first = self.number == 0;
        self.number += 1;
        loop {
            piece.clear();
            let mut input = (&mut self.input).take(PIECE);
            if input.read_until(b'\n', &mut piece).map_err(MailboxError::Unreadable)? == 0 {
                if self.kind == Kind::Open {
                    self.kind = Kind::Ended;
                } else if let Some(blank) = blank.take() {
                    keep(&mut spool, &blank)?;
                }
                return Ok(spool);
            }
            self.read += piece.len() as u64;
            let begins_line = std::mem::replace(&mut at_start, piece.ends_with(b"\n"));
            if self.kind == Kind::Open && begins_line && (is_first || (blank.is_some() && is_separator(&piece))) {
                if is_first {
                    is_first = false;
                    continue;
                }
                return Ok(spool);
            }
            is_first = false;
            if let Some(blank) = blank.take() {
                keep(&mut spool, &blank)?;
            }
            if begins_line && matches!(&piece[..], b"\n" | b"\r\n") {
                blank = Some(piece.clone());
                continue;
            }
            let quoted = piece.iter().take_while(|octet| **octet == b'>').count();
            let is_quoted = quoted > 0 && piece[quoted..].starts_with(FROM);
            let from = usize::from(self.kind != Kind::Single && begins_line && is_quoted);
            keep(&mut spool, &piece[from..])?;
        }
    }
}
