//! What is remembered between runs: a small file with a line for each server.
//!
//! It makes things faster and never stands in their way: a file that is not there, not ours, or no good is as if it were
//! empty, and what cannot be written is forgotten. Nothing here waits for another process, and no secret is kept.
//!
//! ```text
//! HOST PORT TLS USER DAY [starttls] [offer=HEX [login=…] [mail=…] [bdat=…] [recipients=N]]
//! ```

mod line;

use std::fs::{DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, renameat, unlinkat};

use self::line::Line;
use crate::smtp::memory::{Grouping, Memory};
use crate::smtp::session::TlsMode;
use crate::system;

/// The file with what is remembered.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    today: u32,
}

/// What is remembered is remembered of this: a server as one account knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The host as configured: a name or an address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When TLS begins.
    pub tls: TlsMode,
    /// Who logs in; empty where nobody does, or where a certificate says it.
    pub user: String,
}

/// Most servers that are remembered; the one that was not used for the longest time goes first.
pub const SERVERS: usize = 64;
/// A file with more octets is not ours.
const LARGEST: u64 = 64 * 1024;
/// What was not used for so many days is forgotten. What a server does not bear is tried again then.
const DAYS: u32 = 60;
/// The first line, for whoever finds the file.
const HEAD: &str = "# What posthaste has learnt of servers. This file can be deleted at any time.\n";

impl Store {
    /// The file at this path, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Store::on_day(path, u32::try_from(since.as_secs() / (24 * 60 * 60)).unwrap_or(0))
    }

    /// The same on another day, counted from 1970.
    pub fn on_day(path: impl Into<PathBuf>, today: u32) -> Self {
        Store { path: path.into(), today }
    }

    /// What is remembered of a server.
    pub fn recall(&self, key: &Key) -> Memory {
        self.line(key).map(|line| line.memory).unwrap_or_default()
    }

    /// Remembers this of a server, if it is new, or if what is remembered was in use and might be forgotten otherwise.
    /// Where that cannot be, nothing happens.
    pub fn remember(&self, key: &Key, memory: Memory) {
        let known = self.line(key);
        let is_known = match &known {
            Some(line) => line.memory == memory && (line.day == self.today || !is_in_use(&memory)),
            None => memory == Memory::default(),
        };
        if !is_known {
            let _ = self.write(key, memory);
        }
    }

    fn line(&self, key: &Key) -> Option<Line> {
        read(CWD, &self.path)?.into_iter().find(|line| line.key == *key && self.is_fresh(line))
    }

    fn is_fresh(&self, line: &Line) -> bool {
        line.day <= self.today && self.today - line.day <= DAYS
    }

    fn write(&self, key: &Key, memory: Memory) -> Option<()> {
        let name = self.path.file_name()?;
        let directory = directory(self.path.parent()?)?;
        // Whoever has the lock writes soon what he has learnt; what we have learnt can be learnt again.
        flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
        let mut lines = read(directory.as_fd(), Path::new(name)).unwrap_or_default();
        lines.retain(|line| line.key != *key && self.is_fresh(line));
        if memory != Memory::default() {
            lines.push(Line { key: key.clone(), day: self.today, memory });
        }
        // The sort is stable, so that of one day those that were written last are kept.
        lines.sort_by_key(|line| line.day);
        let surplus = lines.len().saturating_sub(SERVERS);
        let text: String = lines.iter().skip(surplus).map(Line::to_string).collect();
        let mut fresh = name.to_owned();
        fresh.push(".new");
        // What another process has left behind when it was ended.
        let _ = unlinkat(&directory, &fresh, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&directory, &fresh, flags, Mode::RUSR | Mode::WUSR).ok()?);
        let written = file.write_all(format!("{HEAD}{text}").as_bytes());
        if written.is_err() || renameat(&directory, &fresh, &directory, name).is_err() {
            let _ = unlinkat(&directory, &fresh, AtFlags::empty());
        }
        Some(())
    }
}

/// Whether something is done with it in each session, so that it is fresh as long as there are any. What a server does not
/// bear is not: it shall be tried again one day.
fn is_in_use(memory: &Memory) -> bool {
    memory.habits.is_none_or(|habits| habits.login != Grouping::Never)
}

/// Reads the file, if it is a regular one of ours that nobody else can write. It never waits.
fn read(directory: impl AsFd, path: &Path) -> Option<Vec<Line>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let descriptor = openat(directory, path, flags, Mode::empty()).ok()?;
    let facts = fstat(&descriptor).ok()?;
    let size = u64::try_from(facts.st_size).ok().filter(|size| *size <= LARGEST)?;
    let is_regular = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
    if !is_regular || !is_ours(facts.st_uid, facts.st_mode) {
        return None;
    }
    let mut octets = Vec::with_capacity(size as usize + 1);
    File::from(descriptor).take(size).read_to_end(&mut octets).ok()?;
    let text = String::from_utf8(octets).ok()?;
    Some(text.lines().filter_map(Line::parse).take(2 * SERVERS).collect())
}

/// Whether it belongs to the user of this process, and nobody else can write it.
fn is_ours(owner: u32, mode: u32) -> bool {
    owner == system::effective_user() && mode & 0o022 == 0
}

/// Opens the directory of the file, and makes it where it is not there: in a place of ours alone. With `sudo` the home may
/// be that of somebody else.
fn directory(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(CWD, path, flags, Mode::empty());
    let directory = match open() {
        Err(rustix::io::Errno::NOENT) => {
            make(path)?;
            open().ok()?
        }
        other => other.ok()?,
    };
    let facts = fstat(&directory).ok()?;
    is_ours(facts.st_uid, facts.st_mode).then_some(directory)
}

fn make(path: &Path) -> Option<()> {
    // Up to the home, and not that: many a user of a service has one that is not meant to be there.
    let facts = path.ancestors().skip(1).take(3).find_map(|above| above.metadata().ok())?;
    // A home that its group can write is usual where each user has a group of their own.
    let is_ours = facts.is_dir() && facts.uid() == system::effective_user() && facts.mode() & 0o002 == 0;
    is_ours.then(|| DirBuilder::new().recursive(true).mode(0o700).create(path).ok()).flatten()
}
