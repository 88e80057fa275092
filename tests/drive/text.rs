//! A message that is made up while it is read.

use std::io;

use posthaste::message::{More, Source};

/// A message of so many octets of text, which may break in the middle.
pub struct Text {
    pub size: usize,
    pub given: usize,
    pub breaks_at: Option<usize>,
    /// What it says of its own size.
    pub claimed: Option<u64>,
}

impl Text {
    /// Octets with CRLF; each line has 17 octets with LF.
    pub fn wire_size(&self) -> u64 {
        (self.size.div_ceil(17) * 18) as u64
    }
}

impl Source for Text {
    fn rewind(&mut self) -> io::Result<()> {
        self.given = 0;
        Ok(())
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
        if self.breaks_at.is_some_and(|at| self.given >= at) {
            return Err(io::Error::other("the disk is on fire"));
        }
        let line = b"Subject: sixteen\n";
        for _ in 0..512 {
            if self.given >= self.size {
                return Ok(More::No);
            }
            out.extend_from_slice(line);
            self.given += line.len();
        }
        Ok(More::Yes)
    }
}
