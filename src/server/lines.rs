//! Input, and the command lines in it.

use memchr::memchr;

use super::data::LineEnds;

/// What the peer sent and nobody has used yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    octets: Vec<u8>,
    /// How much of `octets` has been used.
    used: usize,
    ends: Option<LineEnds>,
}

/// What a search for a line finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, its end taken away.
    Whole(Vec<u8>),
    /// The beginning of one, if anything.
    Incomplete,
    /// A line that nobody wants to hold; see [`Input::skip_line`].
    TooLong,
}

impl Input {
    pub(super) fn feed(&mut self, octets: &[u8]) {
        self.octets.drain(..self.used);
        self.used = 0;
        self.octets.extend_from_slice(octets);
    }

    /// Takes the next line.
    pub(super) fn line(&mut self) -> Line {
        let input = self.rest();
        match line_end(input, self.ends) {
            Some((length, _)) if length > LONGEST_LINE => Line::TooLong,
            Some((length, ends)) => {
                let line = input[..length].to_vec();
                self.take(length, ends);
                Line::Whole(line)
            }
            None if input.len() > LONGEST_LINE => Line::TooLong,
            None => Line::Incomplete,
        }
    }

    /// Throws octets away up to the end of the line, and says whether there was one.
    pub(super) fn skip_line(&mut self) -> bool {
        let input = self.rest();
        if let Some((length, ends)) = line_end(input, self.ends) {
            self.take(length, ends);
            return true;
        }
        // The LF of a CRLF may still come.
        let kept = usize::from(input.ends_with(b"\r"));
        self.used = self.octets.len() - kept;
        false
    }

    /// Takes octets that are in no line.
    pub(super) fn skip(&mut self, count: usize) {
        self.used = self.octets.len().min(self.used + count);
    }

    /// All that has not been taken.
    pub(super) fn rest(&self) -> &[u8] {
        &self.octets[self.used..]
    }

    /// How lines have ended so far.
    pub(super) fn line_ends(&self) -> LineEnds {
        self.ends.unwrap_or(LineEnds::Crlf)
    }

    fn take(&mut self, length: usize, ends: LineEnds) {
        self.ends = Some(ends);
        self.skip(length + if ends == LineEnds::Crlf { 2 } else { 1 });
    }
}

/// Where the first line ends, and how. A lone LF ends a line only as long as no CRLF has been seen.
fn line_end(input: &[u8], known: Option<LineEnds>) -> Option<(usize, LineEnds)> {
    let mut from = 0;
    loop {
        let lf = from + memchr(b'\n', &input[from..])?;
        if lf > 0 && input[lf - 1] == b'\r' {
            return Some((lf - 1, LineEnds::Crlf));
        }
        if known != Some(LineEnds::Crlf) {
            return Some((lf, LineEnds::Lf));
        }
        from = lf + 1;
    }
}

/// Octets of the longest line that is looked at; RFC 4954 section 4 sets this for AUTH.
const LONGEST_LINE: usize = 12288;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn a_lone_lf_ends_lines_until_a_crlf_has_been_seen() {
        let mut input = Input::default();
        input.feed(b"a\nb\r\nc\nd\r\ne\r");
        assert_eq!(input.line(), whole("a"));
        assert_eq!(input.line_ends(), LineEnds::Lf);
        assert_eq!(input.line(), whole("b"));
        assert_eq!(input.line(), whole("c\nd"));
        assert_eq!(input.line(), Line::Incomplete);
        input.feed(b"\n");
        assert_eq!(input.line(), whole("e"));
        assert_eq!(input.rest(), b"");
    }

    #[test]
    fn a_long_line_is_skipped_and_not_held() {
        let mut input = Input::default();
        input.feed(b"a\r\n");
        assert_eq!(input.line(), whole("a"));
        input.feed(&vec![b'x'; LONGEST_LINE + 1]);
        assert_eq!(input.line(), Line::TooLong);
        assert!(!input.skip_line());
        for octets in [&b"y\r"[..], b"y\n", b"\r", b"\r"] {
            input.feed(octets);
            assert!(!input.skip_line());
            assert!(input.rest().len() <= 1);
        }
        input.feed(b"\nz\r\n");
        assert!(input.skip_line());
        assert_eq!(input.line(), whole("z"));
    }
}
