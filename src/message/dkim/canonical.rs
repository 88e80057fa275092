//! The `relaxed` canonicalization of header and body (RFC 6376 sections 3.4.2 and 3.4.4).

use memchr::memchr3;

/// Puts the canonical form of a field with its CRLF at the end of `out`. The value may have its line ends.
pub(super) fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let begin = out.len();
    let mut blank = false;
    for octet in value {
        match octet {
            b'\r' | b'\n' => {}
            b' ' | b'\t' => blank = true,
            octet => {
                if blank && out.len() > begin {
                    out.push(b' ');
                }
                blank = false;
                out.push(*octet);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// A body, block by block.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Empty lines that count when something follows them.
    empty_lines: u64,
    /// Whether blanks stand before the next octet.
    blank: bool,
    /// Whether the present line has anything but blanks.
    text: bool,
}

/// What is made of a block is given away in pieces of about this size.
const PIECE: usize = 64 * 1024;

impl Body {
    /// Gives the canonical form of octets with CRLF line ends to `take`; `out` is room to work in.
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>, mut take: impl FnMut(&[u8])) {
        out.clear();
        let mut at = 0;
        while at < octets.len() {
            match octets[at] {
                b' ' | b'\t' => self.blank = true,
                b'\r' => {}
                b'\n' => {
                    match self.text {
                        true => out.extend_from_slice(b"\r\n"),
                        false => self.empty_lines += 1,
                    }
                    (self.text, self.blank) = (false, false);
                }
                _ => {
                    while self.empty_lines > 0 {
                        out.extend_from_slice(b"\r\n");
                        self.empty_lines -= 1;
                        if out.len() >= PIECE {
                            take(out);
                            out.clear();
                        }
                    }
                    if self.blank {
                        out.push(b' ');
                    }
                    (self.text, self.blank) = (true, false);
                    let rest = &octets[at..];
                    let run = memchr3(b' ', b'\t', b'\r', rest).unwrap_or(rest.len());
                    out.extend_from_slice(&rest[..run]);
                    at += run;
                    continue;
                }
            }
            at += 1;
        }
        take(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &[u8], block: usize) -> String {
        let mut canonical = Body::default();
        let (mut out, mut all) = (Vec::new(), Vec::new());
        for block in text.chunks(block.max(1)) {
            canonical.push(block, &mut out, |piece| all.extend_from_slice(piece));
        }
        all.escape_ascii().to_string()
    }

    /// P-374: the example of RFC 6376 section 3.4.5.
    #[test]
    fn relaxed_header() {
        let mut out = Vec::new();
        field(b"A", b" X\r\n", &mut out);
        field(b"B ", b" Y\t\r\n\tZ  \r\n", &mut out);
        assert_eq!(out.escape_ascii().to_string(), "a:X\\r\\nb:Y Z\\r\\n");
        for (value, canonical) in [
            (&b""[..], "x:\\r\\n"),
            (b" \t \r\n", "x:\\r\\n"),
            (b"\r\n y\r\n", "x:y\\r\\n"),
            (b" a  b\t\tc\r\n \r\n d \r\n", "x:a b c d\\r\\n"),
            (b"a\r\n\tb", "x:a b\\r\\n"),
            (b" \xc3\xbc\r\n", "x:\\xc3\\xbc\\r\\n"),
        ] {
            let mut out = Vec::new();
            field(b"X", value, &mut out);
            assert_eq!(out.escape_ascii().to_string(), canonical, "{}", value.escape_ascii());
        }
    }

    /// P-374
    #[test]
    fn relaxed_body_in_blocks_of_any_size() {
        for (text, canonical) in [
            (&b" C \r\nD \t E\r\n\r\n\r\n"[..], " C\\r\\nD E\\r\\n"),
            (b"", ""),
            (b"\r\n", ""),
            (b" \r\n\t\r\n\r\n", ""),
            (b"\r\n\r\nx\r\n", "\\r\\n\\r\\nx\\r\\n"),
            (b"x\r\n \t \r\ny\r\n", "x\\r\\n\\r\\ny\\r\\n"),
            (b"x  \r\n  y\r\n \r\n", "x\\r\\n y\\r\\n"),
            (b"a\tb  c\r\n", "a b c\\r\\n"),
            (b".\r\n..\r\n", ".\\r\\n..\\r\\n"),
            (b"\xff \xfe\r\n", "\\xff \\xfe\\r\\n"),
        ] {
            for block in 1..=text.len() + 1 {
                assert_eq!(body(text, block), canonical, "{} {block}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn empty_lines_without_end_take_no_memory() {
        let mut canonical = Body::default();
        let mut out = Vec::new();
        let mut count = 0;
        for _ in 0..64 {
            canonical.push(&b"\r\n".repeat(PIECE), &mut out, |piece| count += piece.len());
        }
        assert_eq!(count, 0);
        canonical.push(b"x\r\n", &mut out, |piece| {
            assert!(piece.len() <= PIECE + 3);
            count += piece.len();
        });
        assert_eq!(count, 2 * 64 * PIECE + 3);
    }
}
