//! The message: header and body as they will be sent, in constant memory.

use std::io;

/// What was learnt of a message in the one pass that scans it. It describes what will be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Octets of header, blank line and body with CRLF line ends, without dot-stuffing and end of data: the
    /// value of `SIZE=` (RFC 1870 section 6).
    pub size: u64,
    /// Whether any octet is above 127.
    pub eight_bit: bool,
    /// Whether an octet of the header is above 127.
    pub eight_bit_header: bool,
    /// The longest line in octets without CRLF (exact where it matters: above 998).
    pub longest_line: u64,
}

/// Where the octets of a message come from, block by block, as often as they are asked for.
///
/// The octets may have any line ends: `smtp::framing` makes them CRLF, drops NUL and stuffs dots in one pass,
/// block by block. [`Facts`] describe the result of that pass.
pub trait Source {
    /// Goes back to the first octet.
    ///
    /// # Errors
    /// When the file below cannot seek.
    fn rewind(&mut self) -> io::Result<()>;

    /// Puts the next octets at the end of `out` (about 64 KiB at most) and tells whether there may be more.
    /// At the end a file that was read twice is compared with what it was when it was scanned.
    ///
    /// # Errors
    /// When reading fails, or when the file has changed since it was scanned.
    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More>;
}

/// Whether a [`Source`] has more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// There may be more.
    Yes,
    /// That was the last.
    No,
}
