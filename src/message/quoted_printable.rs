//! Quoted-printable (RFC 2045 section 6.7), block by block.

/// Encodes text that comes in blocks with any line ends; the result has CRLF.
///
/// Line ends and NULs are treated as `smtp::framing` does, so that the reader sees what would have been sent. No line
/// of the result has more than 76 octets or begins with a dot, with `From ` or, as delimiters do, with two hyphens.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// Octets in the line that is being written.
    column: usize,
    /// A blank whose form depends on what follows.
    blank: Option<u8>,
    /// CRs whose meaning depends on what follows.
    returns: u64,
}

impl Encoder {
    /// Puts the encoded form of `block` at the end of `out`.
    pub(super) fn push(&mut self, block: &[u8], out: &mut Vec<u8>) {
        for (at, octet) in block.iter().enumerate() {
            match octet {
                0 => {}
                b'\r' => self.returns += 1,
                b'\n' => {
                    self.returns = 0;
                    self.end_line(out);
                }
                _ => {
                    self.end_lines(out);
                    self.text(*octet, &block[at + 1..], out);
                }
            }
        }
    }

    /// Ends the text; a last line without an end gets one.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_lines(out);
        if self.column > 0 || self.blank.is_some() {
            self.end_line(out);
        }
    }

    /// Ends a text whose last line has no end of its own: that in front of a delimiter belongs to the delimiter
    /// (RFC 2046 section 5.1.1).
    pub(super) fn finish_open(&mut self, out: &mut Vec<u8>) {
        self.end_lines(out);
        self.put_blank(out);
    }

    fn text(&mut self, octet: u8, behind: &[u8], out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.put_plain(blank, out);
        }
        match octet {
            b' ' | b'\t' => self.blank = Some(octet),
            b'=' => self.put_encoded(octet, out),
            // Where a soft line break comes first, a later line begins with it.
            b'.' if self.begins_line() => self.put_encoded(octet, out),
            b'F' if self.begins_line() && may_be_from(behind) => self.put_encoded(octet, out),
            b'-' if self.begins_line() && behind.first().is_none_or(|next| *next == b'-') => {
                self.put_encoded(octet, out);
            }
            b'!'..=b'~' => self.put_plain(octet, out),
            _ => self.put_encoded(octet, out),
        }
    }

    /// Whether the next octet is the first of a line.
    fn begins_line(&self) -> bool {
        self.column == 0 || self.column >= TEXT_LIMIT
    }

    fn put_plain(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.make_room(1, out);
        out.push(octet);
    }

    fn put_encoded(&mut self, octet: u8, out: &mut Vec<u8>) {
        self.make_room(3, out);
        out.extend([b'=', HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
    }

    fn make_room(&mut self, length: usize, out: &mut Vec<u8>) {
        if self.column + length > TEXT_LIMIT {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        self.column += length;
    }

    fn end_lines(&mut self, out: &mut Vec<u8>) {
        for _ in 0..std::mem::take(&mut self.returns) {
            self.end_line(out);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        self.put_blank(out);
        out.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    /// A blank at the end of a line.
    fn put_blank(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.put_encoded(blank, out);
        }
    }
}

/// Whether what follows an `F` makes it `From `, as far as is known.
fn may_be_from(behind: &[u8]) -> bool {
    behind.starts_with(b"rom ") || b"rom ".starts_with(behind)
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Octets in a line, with one left for the `=` of a soft line break.
const TEXT_LIMIT: usize = 75;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(text: &[u8], block: usize) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        text.chunks(block.max(1)).for_each(|block| encoder.push(block, &mut out));
        encoder.finish(&mut out);
        out
    }

    fn decode(encoded: &[u8]) -> Vec<u8> {
        let text = String::from_utf8(encoded.to_vec()).unwrap().replace("=\r\n", "");
        let mut decoded = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            if *first == b'=' {
                decoded.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
                rest = &rest[2..];
            } else {
                decoded.push(*first);
            }
        }
        decoded
    }

    /// P-355
    #[test]
    fn vectors() {
        for (text, encoded) in [
            ("", "".to_owned()),
            ("a", "a\r\n".to_owned()),
            ("a \nb\t\n", "a=20\r\nb=09\r\n".to_owned()),
            ("a b = c\n", "a b =3D c\r\n".to_owned()),
            (".\n..a\n", "=2E\r\n=2E.a\r\n".to_owned()),
            ("From x\nFrodo\n", "=46rom x\r\nFrodo\r\n".to_owned()),
            ("-- \n-a\n---\n", "=2D-=20\r\n-a\r\n=2D--\r\n".to_owned()),
            ("é\n", "=C3=A9\r\n".to_owned()),
            ("a\rb\r\r\nc\0d", "a\r\nb\r\ncd\r\n".to_owned()),
            (&"x".repeat(75), format!("{}\r\n", "x".repeat(75))),
            (&"x".repeat(76), format!("{}=\r\nx\r\n", "x".repeat(75))),
            (&format!("{}.", "x".repeat(75)), format!("{}=\r\n=2E\r\n", "x".repeat(75))),
            (&format!("{}--b", "x".repeat(75)), format!("{}=\r\n=2D-b\r\n", "x".repeat(75))),
            (&format!("{}From ", "x".repeat(75)), format!("{}=\r\n=46rom=20\r\n", "x".repeat(75))),
        ] {
            assert_eq!(String::from_utf8(encode(text.as_bytes(), 1000)).unwrap(), encoded, "{text:?}");
        }
    }

    proptest! {
        /// P-355
        #[test]
        fn decoding_gives_the_text_back(pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![" ", "\t", "=", ".", "-", "From ", "\n", "a", "é", "\u{7f}", "\u{1}"]).prop_map(str::to_owned),
            (60usize..90).prop_map(|length| "x".repeat(length)),
        ], 0..40), block in 1usize..200) {
            let text = pieces.concat();
            let encoded = encode(text.as_bytes(), block);
            let mut lines = text.replace('\n', "\r\n");
            if !lines.is_empty() && !lines.ends_with('\n') {
                lines.push_str("\r\n");
            }
            prop_assert_eq!(decode(&encoded), lines.into_bytes());
            for line in String::from_utf8(encoded).unwrap().split("\r\n") {
                prop_assert!(line.len() <= 76 && !line.starts_with('.') && !line.starts_with("From "), "{line:?}");
                prop_assert!(!line.starts_with("--"), "{line:?}");
                prop_assert!(!line.ends_with([' ', '\t']) && line.bytes().all(|octet| matches!(octet, b'\t' | b' '..=b'~')));
            }
        }
    }
}
