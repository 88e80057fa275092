//! Directories and files in which this program keeps something for its user: ours alone, or as if they were not there.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, renameat, unlinkat};

use crate::system;

/// Opens a directory, and makes it where it is not there: in a place of ours alone. With `sudo` the home may be that of
/// somebody else.
pub fn directory(path: &Path) -> Option<OwnedFd> {
    // A file's name without a directory has this one before it.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    match existing_directory(path) {
        Err(rustix::io::Errno::NOENT) => {
            make(path)?;
            existing_directory(path).ok()?
        }
        other => other.ok()?,
    }
}

/// The same without making it; nothing where there is one that is not ours.
fn existing_directory(path: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    let facts = fstat(&directory)?;
    Ok(is_ours(facts.st_uid, facts.st_mode).then_some(directory))
}

fn make(path: &Path) -> Option<()> {
    // Up to the home, and not that: many a user of a service has one that is not meant to be there.
    let facts = path.ancestors().skip(1).take(3).find_map(|above| above.metadata().ok())?;
    // A home that its group can write is usual where each user has a group of their own.
    let is_ours = facts.is_dir() && facts.uid() == system::effective_user() && facts.mode() & 0o002 == 0;
    is_ours.then(|| DirBuilder::new().recursive(true).mode(0o700).create(path).ok()).flatten()
}

/// Reads a text of at most `largest` octets, if it is in a regular file of ours that nobody else can write. It never waits.
pub fn read(directory: impl AsFd, path: &Path, largest: u64) -> Option<String> {
    String::from_utf8(read_octets(directory, path, largest)?).ok()
}

/// The same of octets that need be no text.
pub fn read_octets(directory: impl AsFd, path: &Path, largest: u64) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let descriptor = openat(directory, path, flags, Mode::empty()).ok()?;
    let size = size_of_ours(&descriptor).filter(|size| *size <= largest)?;
    let mut octets = Vec::with_capacity(usize::try_from(size).ok()? + 1);
    File::from(descriptor).take(size).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// Octets of a regular file of ours that nobody else can write; nothing where it is something else.
pub fn size_of_ours(descriptor: impl AsFd) -> Option<u64> {
    let facts = fstat(&descriptor).ok()?;
    let is_regular = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
    (is_regular && is_ours(facts.st_uid, facts.st_mode)).then_some(u64::try_from(facts.st_size).ok()?)
}

/// Puts a file in the place of one with this name, if there is one, so that a reader sees the one or the other. Only one
/// process may do so at a time.
pub fn replace(directory: impl AsFd, name: &OsStr, text: &str) -> Option<()> {
    let mut fresh = name.to_owned();
    fresh.push(".new");
    // What another process has left behind when it was ended.
    let _ = unlinkat(&directory, &fresh, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(&directory, &fresh, flags, Mode::RUSR | Mode::WUSR).ok()?);
    let written = file.write_all(text.as_bytes());
    if written.is_err() || renameat(&directory, &fresh, &directory, name).is_err() {
        let _ = unlinkat(&directory, &fresh, AtFlags::empty());
        return None;
    }
    Some(())
}

/// Whether it belongs to the user of this process, and nobody else can write it.
fn is_ours(owner: u32, mode: u32) -> bool {
    owner == system::effective_user() && mode & 0o022 == 0
}
