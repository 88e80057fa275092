//! The log: one line for each recipient and attempt, to syslog, the journal or a file.
//!
//! ```text
//! id=… uid=… account=… host=… peer=… sender=… recipient=… size=… result=… stage=… seconds=… reply="…"
//! ```
//!
//! A submission that ended before a server was asked has `id`, `uid`, `result`, `exit` (the exit code) and `reason`.
//!
//! `note` stands before the reply where there is something to know of the message: that it was cut at a lone dot.
//! `result` is `accepted`, `deferred` or `failed`. Where no reply tells why, `reason` does. In a file the line begins
//! with `time`; syslog and the journal stamp it themselves. What came from outside cannot forge a line or a field:
//! a value with anything but printable ASCII, or with a blank, quote, backslash or `=`, stands in quotes, and there
//! `\"`, `\\` and `\xNN` (an octet) are the escapes.
//!
//! A line has at most [`LINE_LIMIT`] octets: RFC 3164 (section 4.1) wants no more of a datagram, some loggers cut or
//! drop what is longer, and one write of that size to a file is never torn. The long texts at the end are shortened.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::Local;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketAddrUnix, sendto};

use crate::config::account;
use crate::deliver::Attempt;
use crate::envelope::ReversePath;
use crate::failure::{self, Exit, Failure};
use crate::smtp::outcome::Verdict;
use crate::smtp::stage::Stage;
use crate::system;

/// Most octets of a line, its time and its end included.
pub const LINE_LIMIT: usize = 1024;

/// An open log.
#[derive(Debug)]
pub struct Log {
    /// The same in all lines of one submission, so that they can be found together.
    id: String,
    to: To,
}

/// What all lines of one submission have in common.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Who sends.
    pub sender: &'a ReversePath,
    /// Octets of the message.
    pub size: u64,
    /// What else is to be known of the message.
    pub note: Option<&'static str>,
}

/// Where the system listens.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// The system's logger.
    pub syslog: PathBuf,
    /// The journal, in its own protocol.
    pub journal: PathBuf,
}

impl Default for Sockets {
    fn default() -> Self {
        Sockets { syslog: "/dev/log".into(), journal: "/run/systemd/journal/socket".into() }
    }
}

/// A line could not be logged. That is never a reason to fail a delivery.
#[derive(Debug, thiserror::Error)]
#[error("cannot log to {}: {reason}", to.display())]
pub struct Unlogged {
    to: PathBuf,
    reason: io::Error,
}

#[derive(Debug)]
enum To {
    Nobody,
    Syslog(UnixDatagram, PathBuf),
    Journal(UnixDatagram, PathBuf),
    File(File, PathBuf),
}

impl Log {
    /// A log that keeps nothing.
    pub fn nobody() -> Self {
        Log { id: String::new(), to: To::Nobody }
    }

    /// Opens the log of an account. A file that does not exist is made, for its owner alone; one that is a symbolic
    /// link, or no regular file, is refused.
    ///
    /// # Errors
    /// [`Unlogged`] when a file cannot be opened. Nobody knows of a socket before the first line.
    pub fn open(log: &account::Log, sockets: &Sockets) -> Result<Self, Unlogged> {
        let to = match log {
            account::Log::None => return Ok(Log::nobody()),
            account::Log::Syslog => {
                To::Syslog(UnixDatagram::unbound().map_err(unlogged(&sockets.syslog))?, sockets.syslog.clone())
            }
            account::Log::Journal => {
                To::Journal(UnixDatagram::unbound().map_err(unlogged(&sockets.journal))?, sockets.journal.clone())
            }
            account::Log::File(path) => {
                system::survive_size_limits();
                To::File(append_to(path).map_err(unlogged(path))?, path.clone())
            }
        };
        Ok(Log { id: new_id(), to })
    }

    /// Writes the line for one attempt.
    ///
    /// # Errors
    /// [`Unlogged`]; the caller should then leave it alone, since each further line may take a second to fail.
    pub fn record(&mut self, submission: &Submission<'_>, attempt: &Attempt<'_>) -> Result<(), Unlogged> {
        if matches!(self.to, To::Nobody) {
            return Ok(());
        }
        let entry = Entry::new(&self.id, submission, attempt);
        self.write(&entry)
    }

    /// Writes the line for a submission that ended before a server was asked.
    ///
    /// # Errors
    /// As [`Log::record`].
    pub fn unsent(&mut self, failure: &Failure) -> Result<(), Unlogged> {
        let mut entry = Entry { fields: Vec::with_capacity(5), room: LINE_LIMIT - STAMP, urgency: Urgency::Warning };
        let result = if failure.exit == Exit::TemporaryFailure { "deferred" } else { "failed" };
        entry.add("id", &self.id, ADDRESS);
        entry.add("uid", &system::real_user().to_string(), ADDRESS);
        entry.add("result", result, ADDRESS);
        entry.add("exit", &failure.exit.code().to_string(), ADDRESS);
        entry.add("reason", failure.message.trim_end(), LINE_LIMIT);
        self.write(&entry)
    }

    fn write(&mut self, entry: &Entry) -> Result<(), Unlogged> {
        match &mut self.to {
            To::Nobody => Ok(()),
            To::Syslog(socket, path) => send(socket, syslog_line(entry).as_bytes(), path).map_err(unlogged(path)),
            To::Journal(socket, path) => send(socket, journal_fields(entry).as_bytes(), path).map_err(unlogged(path)),
            To::File(file, path) => {
                let line = format!("time={} {}\n", Local::now().format("%Y-%m-%dT%H:%M:%S%:z"), entry.text());
                // One write: with O_APPEND, lines of several processes cannot mix.
                match file.write(line.as_bytes()) {
                    Ok(written) if written == line.len() => Ok(()),
                    Ok(_) => Err(unlogged(path)(io::ErrorKind::StorageFull.into())),
                    Err(error) => Err(unlogged(path)(error)),
                }
            }
        }
    }
}

fn unlogged(to: &Path) -> impl FnOnce(io::Error) -> Unlogged {
    |reason| Unlogged { to: to.to_owned(), reason }
}

/// Sends to a socket that this one is not bound to, so that a logger may be restarted between two lines. One that has
/// stopped reading must not stop a delivery, and a short burst must not lose lines: the limit on waiting is set only
/// when there is something to wait for.
fn send(socket: &UnixDatagram, octets: &[u8], path: &Path) -> io::Result<()> {
    let address = SocketAddrUnix::new(path)?;
    match sendto(socket, octets, SendFlags::DONTWAIT | SendFlags::NOSIGNAL, &address) {
        Err(Errno::AGAIN) => {
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.send_to(octets, path).map(drop)
        }
        sent => Ok(sent.map(drop)?),
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Without NONBLOCK, opening a FIFO would wait for its reader.
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let descriptor = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| match errno {
        Errno::LOOP => io::Error::other("it is a symbolic link"),
        Errno::NXIO => io::Error::other("it is not a regular file"),
        other => other.into(),
    })?;
    match FileType::from_raw_mode(fstat(&descriptor)?.st_mode) {
        FileType::RegularFile => Ok(File::from(descriptor)),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}

/// Something that the next run will not have. The Message-ID would not do: it is the sender's, who may use it twice.
fn new_id() -> String {
    // The clock can be read without a system call, and its nanoseconds tell runs apart that begin together.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    now.hash(&mut hasher);
    format!("{:012x}", hasher.finish() >> 16)
}

/// One line before it has a time: names, and values of printable ASCII.
struct Entry {
    fields: Vec<(&'static str, String)>,
    room: usize,
    urgency: Urgency,
}

/// The severity of RFC 3164 section 4.1.1.
#[derive(Clone, Copy)]
enum Urgency {
    Warning = 4,
    Informational = 6,
}

impl Entry {
    fn new(id: &str, submission: &Submission<'_>, attempt: &Attempt<'_>) -> Self {
        let (result, stage, urgency) = match attempt.verdict {
            Verdict::Accepted(_) => ("accepted", Stage::EndOfData, Urgency::Informational),
            Verdict::Deferred(trouble) => ("deferred", trouble.stage, Urgency::Warning),
            Verdict::Failed(trouble) => ("failed", trouble.stage, Urgency::Warning),
        };
        let mut entry = Entry { fields: Vec::with_capacity(13), room: LINE_LIMIT - STAMP, urgency };
        entry.add("id", id, ADDRESS);
        entry.add("uid", &system::real_user().to_string(), ADDRESS);
        entry.add("account", submission.account, NAME);
        entry.add("host", attempt.server, NAME);
        if let Some(peer) = attempt.peer {
            entry.add("peer", &peer.ip().to_canonical().to_string(), ADDRESS);
        }
        entry.add("sender", submission.sender.as_str(), ADDRESS);
        entry.add("recipient", attempt.recipient.as_str(), ADDRESS);
        entry.add("size", &submission.size.to_string(), ADDRESS);
        entry.add("result", result, ADDRESS);
        entry.add("stage", stage.word(), ADDRESS);
        entry.add("seconds", &format!("{:.3}", attempt.took.as_secs_f64()), ADDRESS);
        if let Some(note) = submission.note {
            entry.add("note", note, ADDRESS);
        }
        match attempt.verdict {
            Verdict::Accepted(reply) => entry.add("reply", &reply.to_string(), LINE_LIMIT),
            Verdict::Deferred(trouble) | Verdict::Failed(trouble) => {
                if trouble.may_be_delivered() || trouble.reply().is_none() {
                    entry.add("reason", &failure::what(trouble, attempt.server), LINE_LIMIT);
                }
                if let Some(reply) = trouble.reply() {
                    entry.add("reply", &reply.to_string(), LINE_LIMIT);
                }
            }
        }
        entry
    }

    /// Adds a value of at most so many octets, and of no more than there is room for.
    fn add(&mut self, name: &'static str, value: &str, limit: usize) {
        let around = name.len() + " =\"\"".len();
        let Some(room) = self.room.checked_sub(around + ELLIPSIS.len()) else { return };
        let value = escaped(value, limit.min(room + ELLIPSIS.len()));
        self.room -= around + value.len();
        self.fields.push((name, value));
    }

    fn text(&self) -> String {
        let words: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| {
                let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\=".contains(&b));
                if plain { format!("{name}={value}") } else { format!("{name}=\"{value}\"") }
            })
            .collect();
        words.join(" ")
    }
}

/// A value in printable ASCII, with `...` where it was cut.
fn escaped(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut cut = 0;
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => out.extend(['\\', char::from(octet)]),
            b' '..=b'~' => out.push(char::from(octet)),
            _ => out.push_str(&format!("\\x{octet:02x}")),
        }
        if out.len() > limit {
            out.truncate(cut);
            out.push_str(ELLIPSIS);
            return out;
        }
        if out.len() + ELLIPSIS.len() <= limit {
            cut = out.len();
        }
    }
    out
}

/// RFC 3164 without time and host. The logger has both, and its own time zone: one taken from `TZ` would make a line
/// of another hour among the rest.
fn syslog_line(entry: &Entry) -> String {
    let priority = (FACILITY << 3) | entry.urgency as u8;
    format!("<{priority}>{NAME_OF_PROGRAM}[{}]: {}", std::process::id(), entry.text())
}

/// The native protocol of the journal: a field a line. No value has a line feed, so the plain form always does.
fn journal_fields(entry: &Entry) -> String {
    let mut out = format!(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_FACILITY={FACILITY}\nSYSLOG_IDENTIFIER={NAME_OF_PROGRAM}\n",
        entry.text(),
        entry.urgency as u8
    );
    for (name, value) in &entry.fields {
        out.push_str(&format!("POSTHASTE_{}={value}\n", name.to_ascii_uppercase()));
    }
    out
}

const NAME_OF_PROGRAM: &str = "posthaste";
/// Mail (RFC 3164 section 4.1.1).
const FACILITY: u8 = 2;
/// How long a logger may take for one line.
const PATIENCE: Duration = Duration::from_secs(1);
/// Octets kept for what stands before the fields, in syslog or in a file, and for the end of the line.
const STAMP: usize = 48;
/// Most octets of a name, and of an address or anything that is shorter.
const NAME: usize = 128;
const ADDRESS: usize = 224;
const ELLIPSIS: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_cut_between_escapes() {
        let table = [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc..."),
            ("ab\n\n", 10, "ab\\x0a\\x0a"),
            ("ab\n\n", 9, "ab\\x0a..."),
            ("ab\n\n", 8, "ab..."),
            ("ä", 8, "\\xc3\\xa4"),
            ("\"\\", 4, "\\\"\\\\"),
            ("", 3, ""),
            ("abcd", 3, "..."),
        ];
        for (text, limit, expected) in table {
            assert_eq!(escaped(text, limit), expected, "{text:?} {limit}");
        }
    }

    #[test]
    fn syslog_line_begins_with_priority_and_tag() {
        let mut entry = Entry { fields: Vec::new(), room: 100, urgency: Urgency::Warning };
        entry.add("id", "1", 10);
        entry.add("reply", "no =", 10);
        let process = std::process::id();
        assert_eq!(syslog_line(&entry), format!("<20>posthaste[{process}]: id=1 reply=\"no =\""));
    }
}
