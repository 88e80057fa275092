//! The body of a message: in memory, or in a file that is read again.

use super::More;
use super::spool::Spooled;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

/// A body as it came, without changes to an octet.
#[derive(Debug)]
pub(super) enum Body {
    Memory(Vec<u8>),
    File {
        file: File,
        start: u64,
        length: u64,
        /// What the file must still be at the end; `None` for one that nobody else can reach.
        identity: Option<Identity>,
    },
}

/// What tells that a file is the one that was scanned, and is as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Body {
    pub(super) fn memory(octets: Vec<u8>) -> Self {
        Body::Memory(octets)
    }

    /// A body that stays in the caller's file.
    pub(super) fn left_in(file: File, start: u64, length: u64, identity: Identity) -> Self {
        Body::File { file, start, length, identity: Some(identity) }
    }

    pub(super) fn spooled(spooled: Spooled) -> Self {
        match spooled {
            Spooled::Memory(octets) => Body::memory(octets),
            Spooled::File(file, length) => Body::File { file, start: 0, length, identity: None },
        }
    }

    /// Puts at most `room` octets at the end of `out`, those behind the `at` that were read before, and counts them there.
    pub(super) fn read_block(&self, at: &mut u64, out: &mut Vec<u8>, room: usize) -> io::Result<More> {
        match self {
            Body::Memory(octets) => {
                let rest = &octets[*at as usize..];
                let block = &rest[..room.min(rest.len())];
                out.extend_from_slice(block);
                *at += block.len() as u64;
                Ok(if block.len() == rest.len() { More::No } else { More::Yes })
            }
            Body::File { file, start, length, identity } => {
                let base = out.len();
                let wanted = (length - *at).min(room as u64) as usize;
                out.reserve(wanted);
                read_at(file, out, start + *at)?;
                // More room than was asked for may have been there.
                out.truncate(base + wanted);
                let count = out.len() - base;
                if count == 0 && wanted > 0 {
                    return Err(changed());
                }
                *at += count as u64;
                if *at < *length {
                    return Ok(More::Yes);
                }
                match identity {
                    Some(identity) if *identity != Identity::of(&file.metadata()?) => Err(changed()),
                    _ => Ok(More::No),
                }
            }
        }
    }
}

/// Reads behind what `out` holds, without clearing that memory before.
fn read_at(file: &File, out: &mut Vec<u8>, at: u64) -> io::Result<()> {
    loop {
        match rustix::io::pread(file, rustix::buffer::spare_capacity(out), at) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file with the message was changed while it was read")
}
