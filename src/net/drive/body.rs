//! The message on its way into the flight: all of it, or as many octets as a chunk has.

use std::io;

use crate::message::{More, Source};
use crate::smtp::framing::{Dots, Framer};
use crate::system::words;

/// Where in its message a session is.
pub(super) struct Body {
    framer: Framer,
    raw: Vec<u8>,
    /// What is framed already and belongs to the next chunk.
    ahead: Vec<u8>,
    more: More,
}

impl Body {
    /// At the first octet.
    ///
    /// # Errors
    /// When the source cannot go back to it; in words.
    pub(super) fn begin(source: &mut dyn Source, dots: Dots) -> Result<Self, String> {
        source.rewind().map_err(|error| words(&error))?;
        Ok(Body { framer: Framer::new(dots), raw: Vec::new(), ahead: Vec::new(), more: More::Yes })
    }

    /// Puts the next octets at the end of `flight`, `room` of them at most, and says how many they were. There may be
    /// none although others follow.
    ///
    /// # Errors
    /// When the source cannot be read; in words.
    pub(super) fn fill(&mut self, source: &mut dyn Source, flight: &mut Vec<u8>, room: u64) -> Result<u64, String> {
        let begin = flight.len();
        if self.ahead.is_empty() {
            self.read(source, flight).map_err(|error| words(&error))?;
        } else {
            flight.append(&mut self.ahead);
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if flight.len() - begin > room {
            self.ahead = flight.split_off(begin + room);
        }
        Ok((flight.len() - begin) as u64)
    }

    /// Whether all of the message was given.
    pub(super) fn is_at_end(&self) -> bool {
        self.more == More::No && self.ahead.is_empty()
    }

    /// Reads up to the end, where nothing must be left: the source sees there whether it is still what it was.
    ///
    /// # Errors
    /// When there is something left, or the source cannot be read; in words.
    pub(super) fn check_end(&mut self, source: &mut dyn Source) -> Result<(), String> {
        while self.ahead.is_empty() && self.more == More::Yes {
            let mut rest = Vec::new();
            self.read(source, &mut rest).map_err(|error| words(&error))?;
            self.ahead = rest;
        }
        if self.is_at_end() { Ok(()) } else { Err("the message is longer than it was".to_owned()) }
    }

    fn read(&mut self, source: &mut dyn Source, out: &mut Vec<u8>) -> io::Result<()> {
        if self.more == More::No {
            return Ok(());
        }
        self.raw.clear();
        self.more = source.read_block(&mut self.raw)?;
        self.framer.push(&self.raw, out);
        if self.more == More::No {
            self.framer.finish(out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Blocks(Vec<&'static [u8]>, usize);

    impl Source for Blocks {
        fn rewind(&mut self) -> io::Result<()> {
            self.1 = 0;
            Ok(())
        }

        fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
            out.extend_from_slice(self.0[self.1]);
            self.1 += 1;
            Ok(if self.1 < self.0.len() { More::Yes } else { More::No })
        }
    }

    /// P-081 P-257 P-262
    #[test]
    fn chunks_of_any_size_make_the_message_with_its_dots() {
        let mut source = Blocks(vec![b".a\n.\r", b"\n\0", b"\r", b"\n", b"..b"], 0);
        let wire = b".a\r\n.\r\n\r\n..b\r\n";
        for chunk in 1..=wire.len() {
            let mut body = Body::begin(&mut source, Dots::Keep).unwrap();
            let mut flight = Vec::new();
            while flight.len() < wire.len() {
                let mut left = chunk.min(wire.len() - flight.len()) as u64;
                while left > 0 {
                    assert!(!body.is_at_end());
                    left -= body.fill(&mut source, &mut flight, left).unwrap();
                }
            }
            body.check_end(&mut source).unwrap();
            assert_eq!(flight.escape_ascii().to_string(), wire.escape_ascii().to_string(), "{chunk}");
        }
    }

    #[test]
    fn a_message_that_has_grown_is_noticed() {
        let mut source = Blocks(vec![b"abc\n", b"d"], 0);
        let mut body = Body::begin(&mut source, Dots::Keep).unwrap();
        let mut flight = Vec::new();
        assert_eq!(body.fill(&mut source, &mut flight, 5), Ok(5));
        assert!(body.check_end(&mut source).is_err());
    }
}
