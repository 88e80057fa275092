//! The body as it comes in: dot-unstuffing, and where it ends (RFC 5321 section 4.5.2).

use memchr::memmem;

/// How the lines of a peer end. It is learnt from command lines and never mixed: a peer whose commands end in CRLF
/// ends data by CRLF.CRLF and by no look-alike of it (SMTP smuggling, CVE-2023-51764 to 51766).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// As the RFC has it.
    Crlf,
    /// Every command so far ended in a lone LF.
    Lf,
}

/// Takes the stuffed dots away and finds the end, block by block.
#[derive(Debug)]
pub(super) struct Unstuffer {
    ends: LineEnds,
    place: Place,
}

/// Where the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    /// After a dot that began a line, and was not given out.
    Dot,
    /// After such a dot and a CR, which was not given out either.
    DotCr,
    Middle,
    /// After a CR that was given out.
    Cr,
}

/// How far a block got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of it was data.
    More,
    /// The data ended, after this many octets of the block.
    End(usize),
}

impl Unstuffer {
    pub(super) fn new(ends: LineEnds) -> Self {
        Unstuffer { ends, place: Place::LineStart }
    }

    /// Puts the data of `input` at the end of `out`, the line ends as they came.
    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            match (self.place, octet, self.ends) {
                (Place::Dot, b'\n', LineEnds::Lf) | (Place::DotCr, b'\n', _) => return Progress::End(at + 1),
                (Place::LineStart, b'.', _) => {
                    self.place = Place::Dot;
                    at += 1;
                }
                (Place::Dot, b'\r', LineEnds::Crlf) => {
                    self.place = Place::DotCr;
                    at += 1;
                }
                (Place::Cr, b'\n', _) => {
                    out.push(octet);
                    self.place = Place::LineStart;
                    at += 1;
                }
                (Place::DotCr, ..) => {
                    out.push(b'\r');
                    self.place = Place::Cr;
                }
                (Place::LineStart | Place::Dot | Place::Cr, ..) => self.place = Place::Middle,
                (Place::Middle, ..) => at += self.copy(&input[at..], out),
            }
        }
        Progress::More
    }

    /// Copies up to the next line that begins with a dot, and says how many octets that were.
    fn copy(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let end: &[u8] = match self.ends {
            LineEnds::Crlf => b"\r\n",
            LineEnds::Lf => b"\n",
        };
        let dotted: &[u8] = match self.ends {
            LineEnds::Crlf => b"\r\n.",
            LineEnds::Lf => b"\n.",
        };
        let length = memmem::find(input, dotted).map_or(input.len(), |at| at + end.len());
        let text = &input[..length];
        out.extend_from_slice(text);
        self.place = if text.ends_with(end) {
            Place::LineStart
        } else if self.ends == LineEnds::Crlf && text.ends_with(b"\r") {
            Place::Cr
        } else {
            Place::Middle
        };
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is data, and what stands behind it; `None` when there is no end.
    fn unstuff(wire: &[u8], ends: LineEnds, block: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut unstuffer = Unstuffer::new(ends);
        let mut out = Vec::new();
        for (index, input) in wire.chunks(block).enumerate() {
            if let Progress::End(used) = unstuffer.push(input, &mut out) {
                return (out, Some(wire[index * block + used..].to_vec()));
            }
        }
        (out, None)
    }

    #[test]
    fn dots_go_and_the_end_is_found_at_any_cut() {
        for (wire, ends, data, rest) in [
            (&b".\r\n"[..], LineEnds::Crlf, &b""[..], Some(&b""[..])),
            (b"a\r\n.\r\nQUIT\r\n", LineEnds::Crlf, b"a\r\n", Some(b"QUIT\r\n")),
            (b"..\r\n...\r\n.a\r\n\r\n.\r\n", LineEnds::Crlf, b".\r\n..\r\na\r\n\r\n", Some(b"")),
            (b"a\r\r\n.\r\n", LineEnds::Crlf, b"a\r\r\n", Some(b"")),
            (b".\n..\na\n.\nx", LineEnds::Lf, b"", Some(b"..\na\n.\nx")),
            (b"..\na\n\n.\nx", LineEnds::Lf, b".\na\n\n", Some(b"x")),
            (b"a\r\n.\r\nx", LineEnds::Lf, b"a\r\n\r\nx", None),
        ] {
            for block in 1..=wire.len() {
                let (out, left) = unstuff(wire, ends, block);
                assert_eq!(out, data, "{:?} in blocks of {block}", wire.escape_ascii().to_string());
                assert_eq!(left.as_deref(), rest, "{:?} in blocks of {block}", wire.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn a_look_alike_ends_nothing_where_lines_end_in_crlf() {
        for alike in [
            "\n.\n",
            "\n.\r\n",
            "\r\n.\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\r",
            "\n.\r",
            "\r\n.\0\r\n",
            "\r\n\0.\r\n",
            "\r\n.\r\r\n",
            "\r\n.\r\0\n",
        ] {
            let wire = format!("a{alike}MAIL FROM:<x@y>\r\n.\r\n");
            for block in 1..=wire.len() {
                let (out, left) = unstuff(wire.as_bytes(), LineEnds::Crlf, block);
                assert!(out.ends_with(b"MAIL FROM:<x@y>\r\n"), "{alike:?} in blocks of {block}");
                assert_eq!(left, Some(Vec::new()), "{alike:?} in blocks of {block}");
            }
        }
    }
}
