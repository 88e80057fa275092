//! Base64 in lines of 76 (RFC 2045 section 6.8), block by block.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Write};

/// Encodes octets that come in blocks. Lines end in CRLF, and there is none behind the last one.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// Octets of a line that is not full.
    rest: Vec<u8>,
    /// The encoded lines of a block.
    lines: Vec<u8>,
    place: Place,
}

/// Whether a line was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    BehindLine,
}

impl Encoder {
    /// Puts the encoded form of `block` at the end of `out`.
    pub(super) fn push(&mut self, block: &[u8], out: &mut impl Write) -> io::Result<()> {
        self.rest.extend_from_slice(block);
        let whole = self.rest.len() - self.rest.len() % LINE;
        if whole == 0 {
            return Ok(());
        }
        for line in self.rest[..whole].chunks_exact(LINE) {
            encode_line(line, &mut self.place, &mut self.lines)?;
        }
        self.rest.drain(..whole);
        out.write_all(&self.lines)?;
        self.lines.clear();
        Ok(())
    }

    /// Ends the octets.
    pub(super) fn finish(mut self, out: &mut impl Write) -> io::Result<()> {
        if !self.rest.is_empty() {
            encode_line(&self.rest, &mut self.place, &mut self.lines)?;
        }
        out.write_all(&self.lines)
    }
}

fn encode_line(octets: &[u8], place: &mut Place, lines: &mut Vec<u8>) -> io::Result<()> {
    if *place == Place::BehindLine {
        lines.extend_from_slice(b"\r\n");
    }
    *place = Place::BehindLine;
    let at = lines.len();
    lines.resize(at + octets.len().div_ceil(3) * 4, 0);
    STANDARD.encode_slice(octets, &mut lines[at..]).map_err(io::Error::other)?;
    Ok(())
}

/// So many octets make a line.
const LINE: usize = 57;
