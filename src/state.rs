//! What is remembered between runs: a small file with a line for each server.
//!
//! It makes things faster and never stands in their way: a file that is not there, not ours, or no good is as if it were
//! empty, and what cannot be written is forgotten. Nothing here waits for another process, and no secret is kept.
//!
//! ```text
//! HOST PORT TLS USER DAY [starttls] [offer=HEX [login=…] [mail=…] [bdat=…] [recipients=N]]
//! ```

mod line;
pub mod place;
pub mod policies;
mod word;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, FlockOperation, flock};

use self::line::Line;
use crate::smtp::memory::{Grouping, Memory};
use crate::smtp::session::TlsMode;

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
        let directory = place::directory(self.path.parent()?)?;
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
        place::replace(&directory, name, &format!("{HEAD}{text}"))
    }
}

/// Whether something is done with it in each session, so that it is fresh as long as there are any. What a server does not
/// bear is not: it shall be tried again one day.
fn is_in_use(memory: &Memory) -> bool {
    memory.habits.is_none_or(|habits| habits.login != Grouping::Never)
}

/// Reads the lines of the file, if it is ours.
fn read(directory: impl AsFd, path: &Path) -> Option<Vec<Line>> {
    let text = place::read(directory, path, LARGEST)?;
    Some(text.lines().filter_map(Line::parse).take(2 * SERVERS).collect())
}
