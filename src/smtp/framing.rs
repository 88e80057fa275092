//! The body on the wire: line ends and dot-stuffing in one pass (RFC 5321 sections 2.3.8 and 4.5.2).

use memchr::memchr3;

/// Whether a dot at the beginning of a line is doubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dots {
    /// For DATA.
    Stuff,
    /// For a message that is counted and not framed by dots.
    Keep,
}

/// Turns octets with any line ends into lines that end in CRLF, block by block.
///
/// CRLF, LF and CR each end a line; CRs directly before an LF go with it; NUL is dropped. So no bare CR or LF is
/// ever sent and no mixture of them can be read as an end of data by a lenient server (SMTP smuggling,
/// CVE-2023-51764 to 51766).
#[derive(Debug)]
pub struct Framer {
    dots: Dots,
    line: Line,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    Middle,
    /// After this many CRs whose meaning the next octet decides.
    AfterCr(u32),
}

/// So many CRs in a row are kept in mind; of more, the first ones are line ends whatever follows. Without a bound
/// a message of nothing but CRs would have to be held in memory.
pub const CR_RUN: u32 = 1024;

/// A line is looked at octet by octet for so long before a search for its end pays.
const SHORT: usize = 16;

impl Framer {
    /// A framer at the beginning of a message.
    pub fn new(dots: Dots) -> Self {
        Framer { dots, line: Line::Start }
    }

    /// Puts the wire form of `input` at the end of `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let base = out.len();
        // Each octet becomes two at most (LF, CR, or a dot that is doubled), besides what the last block left.
        out.resize(base + 2 * (input.len() + CR_RUN as usize + 1), 0);
        let mut to = Cursor { octets: &mut out[base..], at: 0 };
        let mut at = 0;
        while at < input.len() {
            let octet = input[at];
            // The three octets that need care are all at or below CR: one comparison for all others.
            if octet > b'\r' || !matches!(octet, b'\n' | b'\r' | 0) {
                if self.line != Line::Middle {
                    self.end_pending(&mut to);
                    if octet == b'.' && self.dots == Dots::Stuff {
                        to.put(b'.');
                    }
                    self.line = Line::Middle;
                }
                at = copy_text(input, at, &mut to);
                continue;
            }
            at += 1;
            match (octet, self.line) {
                (b'\n', _) => {
                    to.line_end();
                    self.line = Line::Start;
                }
                (b'\r', Line::AfterCr(CR_RUN)) => to.line_end(),
                (b'\r', Line::AfterCr(count)) => self.line = Line::AfterCr(count + 1),
                (b'\r', _) => self.line = Line::AfterCr(1),
                _ => {}
            }
        }
        let used = base + to.at;
        out.truncate(used);
    }

    /// Ends the last line where it has no end yet.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self.line {
            Line::Start => {}
            Line::Middle => out.extend_from_slice(b"\r\n"),
            Line::AfterCr(count) => (0..count).for_each(|_| out.extend_from_slice(b"\r\n")),
        }
        self.line = Line::Start;
    }

    /// The CRs that turned out to be line ends of their own.
    fn end_pending(&mut self, to: &mut Cursor<'_>) {
        if let Line::AfterCr(count) = self.line {
            (0..count).for_each(|_| to.line_end());
        }
    }
}

/// Copies plain octets from `at` up to the next LF, CR or NUL and gives the place of that.
fn copy_text(input: &[u8], at: usize, to: &mut Cursor<'_>) -> usize {
    let near = input.len().min(at + SHORT);
    let mut end = at;
    while end < near {
        let octet = input[end];
        if octet <= b'\r' && matches!(octet, b'\n' | b'\r' | 0) {
            return end;
        }
        to.put(octet);
        end += 1;
    }
    let length = memchr3(b'\n', b'\r', 0, &input[end..]).unwrap_or(input.len() - end);
    to.octets[to.at..to.at + length].copy_from_slice(&input[end..end + length]);
    to.at += length;
    end + length
}

/// A place to write to that was made large enough beforehand.
struct Cursor<'a> {
    octets: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn put(&mut self, octet: u8) {
        self.octets[self.at] = octet;
        self.at += 1;
    }

    #[inline]
    fn line_end(&mut self) {
        self.put(b'\r');
        self.put(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(input: &[u8], dots: Dots, block: usize) -> Vec<u8> {
        let mut framer = Framer::new(dots);
        let mut out = Vec::new();
        input.chunks(block.max(1)).for_each(|block| framer.push(block, &mut out));
        framer.finish(&mut out);
        out
    }

    /// P-077 P-078 P-079
    #[test]
    fn dots_and_line_ends() {
        for (input, wire) in [
            (&b""[..], &b""[..]),
            (b"a", b"a\r\n"),
            (b"a\n", b"a\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b".", b"..\r\n"),
            (b".\n..\n.a\nb.\n", b"..\r\n...\r\n..a\r\nb.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n"),
            (b"a\r\r\nb\0c", b"a\r\nbc\r\n"),
            (b"a\r\rb\r", b"a\r\n\r\nb\r\n"),
            (b"\n.\n", b"\r\n..\r\n"),
            (b"\r\n\0.\r\n", b"\r\n..\r\n"),
            (b"a\n\r.\r\n", b"a\r\n\r\n..\r\n"),
        ] {
            for block in 1..=input.len().max(1) {
                assert_eq!(
                    frame(input, Dots::Stuff, block),
                    wire,
                    "{:?} in blocks of {block}",
                    input.escape_ascii().to_string()
                );
            }
        }
    }

    #[test]
    fn a_run_of_carriage_returns_is_bounded() {
        let input = [vec![b'\r'; 5000], b"x".to_vec()].concat();
        let out = frame(&input, Dots::Stuff, 700);
        assert_eq!(out, [b"\r\n".repeat(5000), b"x\r\n".to_vec()].concat());
    }

    proptest! {
        /// P-080 P-400: CR only before LF, LF only after CR, no line of a lone dot, and the text survives.
        #[test]
        fn nothing_looks_like_an_end_of_data(input in proptest::collection::vec(prop::sample::select(b"\r\n.a\0".to_vec()), 0..60), block in 1usize..9) {
            let wire = frame(&input, Dots::Stuff, block);
            let text = String::from_utf8(wire.clone()).unwrap();
            for line in text.split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n', '\0']) && line != ".");
            }
            prop_assert!(wire.is_empty() || wire.ends_with(b"\r\n"));
            let unstuffed: String = text.split("\r\n").map(|l| l.strip_prefix('.').unwrap_or(l)).collect::<Vec<_>>().join("\r\n");
            prop_assert_eq!(unstuffed.as_bytes(), &frame(&input, Dots::Keep, 7)[..]);
            prop_assert_eq!(wire, frame(&input, Dots::Stuff, input.len()));
        }
    }
}
