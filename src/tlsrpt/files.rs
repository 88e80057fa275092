//! Events in files, one for each day: `tlsrpt-2026-11-28` with an event in JSON on each line.
//!
//! Lines are only ever added, each in one write, so that processes need not wait for each other. A file that is full stays
//! as it is, and the one of a new day takes those that are old with it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::{Day, Event};
use crate::state::place;
use crate::system;

/// What the names begin with.
const NAME: &str = "tlsrpt-";
/// Octets of a file. That is some thousand events.
const LARGEST: u64 = 1 << 20;
/// Octets of a file that is read: processes that found room at the same time have all written there.
const READABLE: u64 = 2 * LARGEST;
/// How a line begins, and nothing within it.
const BEGIN: &str = "{\"time\":";
/// Days that are kept before the present one.
pub const DAYS: u32 = 7;
/// Files of a directory that are looked at for old ones.
const LISTED: usize = 10_000;

/// Adds an event to the file of its day.
///
/// # Errors
/// Why it could not be, in words.
pub fn append(directory: &Path, event: &Event) -> Result<(), String> {
    let day = Day::of(event.time);
    let place = place::directory(directory)
        .ok_or_else(|| format!("{} is no directory of this user, or others can write it", directory.display()))?;
    let mut file = opened(&place, day)?;
    let mut line = serde_json::to_string(event).map_err(|error| error.to_string())?;
    line.push('\n');
    let name = || format!("{}/{NAME}{day}", directory.display());
    let size = place::size_of_ours(&file).ok_or_else(|| format!("{} is not ours", name()))?;
    if size.saturating_add(line.len() as u64) > LARGEST {
        return Err(format!("{} is full", name()));
    }
    // One write: with O_APPEND, lines of several processes cannot mix.
    match file.write(line.as_bytes()) {
        Ok(written) if written == line.len() => Ok(()),
        Ok(_) => Err(format!("{} could not be written whole", name())),
        Err(error) => Err(format!("{} cannot be written: {}", name(), system::words(&error))),
    }
}

/// The events of a day, as far as they can be read; none where there is no file of ours.
pub fn read(directory: &Path, day: Day) -> Vec<Event> {
    let path = directory.join(format!("{NAME}{day}"));
    let octets = place::read_octets(CWD, &path, READABLE).unwrap_or_default();
    octets.split(|octet| *octet == b'\n').filter_map(event).collect()
}

/// The event of a line. Before it may stand half a one, which was to have been written when the disk was full.
fn event(line: &[u8]) -> Option<Event> {
    let line = String::from_utf8_lossy(line);
    let begin = line.rfind(BEGIN)?;
    serde_json::from_str(line.get(begin..)?).ok()
}

/// The file of a day. Whoever makes it takes the old ones away.
fn opened(place: &OwnedFd, day: Day) -> Result<File, String> {
    let name = format!("{NAME}{day}");
    // Without NONBLOCK, opening a FIFO would wait for its reader.
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = |more: OFlags| openat(place, &name, flags | more, Mode::RUSR | Mode::WUSR);
    let descriptor = match open(OFlags::CREATE | OFlags::EXCL) {
        Ok(made) => {
            remove_old(place, day);
            Ok(made)
        }
        Err(Errno::EXIST) => open(OFlags::empty()),
        Err(errno) => Err(errno),
    };
    descriptor.map(File::from).map_err(|errno| format!("{name} cannot be opened: {}", system::words(&errno.into())))
}

fn remove_old(place: impl AsFd, today: Day) {
    let Ok(entries) = Dir::read_from(&place) else { return };
    for entry in entries.take(LISTED).flatten() {
        let Ok(name) = entry.file_name().to_str() else { continue };
        let day = name.strip_prefix(NAME).and_then(|day| day.parse::<Day>().ok());
        if day.is_some_and(|day| day < today.before(DAYS)) {
            let _ = unlinkat(&place, name, AtFlags::empty());
        }
    }
}
