//! A place for octets that come once and are read again: memory while they are few, then a file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::system;

/// Collects octets: up to [`MEMORY_LIMIT`] in memory, more in a temporary file in `TMPDIR` that has no name, so that
/// nothing is left behind and nobody else can open it.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    /// Octets in the file, without those that still are in memory.
    written: u64,
    /// Octets of the file for which a place was asked for.
    reserved: u64,
}

/// Where the octets are in the end.
#[derive(Debug)]
pub(super) enum Spooled {
    Memory(Vec<u8>),
    /// A file, and the count of octets from its beginning.
    File(File, u64),
}

impl Spool {
    /// An empty spool.
    pub fn new() -> Self {
        Spool::default()
    }

    /// So many octets may stand in memory.
    fn room(&self) -> usize {
        if self.file.is_some() { GATHERED } else { MEMORY_LIMIT }
    }

    /// Ends writing.
    pub(super) fn finish(mut self) -> io::Result<Spooled> {
        if self.file.is_none() {
            return Ok(Spooled::Memory(self.memory));
        }
        self.flush()?;
        Ok(match self.file {
            Some(file) => Spooled::File(file, self.written),
            None => Spooled::Memory(self.memory),
        })
    }

    /// Moves what is in memory to the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                system::survive_size_limits();
                none.insert(temporary_file(&std::env::temp_dir())?)
            }
        };
        if self.written >= self.reserved {
            reserve(file, self.written);
            self.reserved = self.written + RESERVED;
        }
        file.write_all(&self.memory)?;
        self.written += self.memory.len() as u64;
        self.memory.clear();
        self.memory.shrink_to(GATHERED);
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.memory.len() == self.room() && !octets.is_empty() {
            self.spill()?;
        }
        let taken = octets.len().min(self.room() - self.memory.len());
        self.memory.extend_from_slice(&octets[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.file.is_some() && !self.memory.is_empty() { self.spill() } else { Ok(()) }
    }
}

/// Asks for a place on the disk for what comes next. It is given back with the file, and where it cannot be had, the
/// writes will tell why.
fn reserve(file: &File, from: u64) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, from, RESERVED);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from);
}

/// A new file for reading and writing that only this process can reach.
fn temporary_file(directory: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(file) = open(directory, flags, Mode::RUSR | Mode::WUSR) {
            return Ok(file.into());
        }
    }
    // Not every file system can make a file without a name.
    nameless_file(directory)
}

fn nameless_file(directory: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let random = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    let path = directory.join(format!("posthaste-{random:016x}"));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// So many octets of a message are kept in memory. It is what a long message by a pipe needs at the most beside what any
/// needs; a file costs six system calls.
pub const MEMORY_LIMIT: usize = 512 << 10;

/// Writes to the file are gathered to this size, so that each begins and ends with a block of the file system: others
/// cost half as much again.
const GATHERED: usize = 256 << 10;

/// Places on the disk are asked for in steps of so many octets: found one by one, they cost a third of all the writing.
const RESERVED: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    fn read(spooled: Spooled) -> (Vec<u8>, u64) {
        match spooled {
            Spooled::Memory(octets) => (octets.clone(), octets.len() as u64),
            Spooled::File(mut file, length) => {
                let mut octets = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut octets).unwrap();
                (octets, length)
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for count in [0usize, 1, 10, MEMORY_LIMIT / 1000, MEMORY_LIMIT / 1000 + 1, 3 * MEMORY_LIMIT / 1000] {
            let mut spool = Spool::new();
            for n in 0..count {
                spool.write_all(&[n as u8; 1000]).unwrap();
            }
            let spooled = spool.finish().unwrap();
            assert_eq!(matches!(spooled, Spooled::File(..)), count * 1000 > MEMORY_LIMIT);
            let (octets, length) = read(spooled);
            assert_eq!(length, octets.len() as u64);
            assert!(octets.chunks(1000).enumerate().all(|(n, chunk)| chunk == [n as u8; 1000]));
            assert_eq!(octets.len(), count * 1000);
        }
    }

    #[test]
    fn the_file_has_no_name() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        for file in [temporary_file(directory.path()), nameless_file(directory.path())] {
            let metadata = file.unwrap().metadata().unwrap();
            assert_eq!((metadata.nlink(), metadata.mode() & 0o777), (0, 0o600));
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
