//! Where the header of a message ends, and its fields, found without changing an octet (RFC 5322 section 2.2).

use super::incoming::LoneDot;
use memchr::memchr;
use std::borrow::Cow;
use std::ops::Range;

/// A field: where its name and its value stand in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, without the blanks that old programs put before the colon.
    pub name: Range<usize>,
    /// All behind the colon, with the continuation lines and the last line end.
    pub value: Range<usize>,
}

impl Field {
    /// Where the whole field stands.
    pub fn whole(&self) -> Range<usize> {
        self.name.start..self.value.end
    }

    /// Whether this is its name, in any case.
    pub fn is(&self, header: &[u8], name: &str) -> bool {
        header[self.name.clone()].eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header, which has neither mbox lines nor the empty line at its end.
///
/// A line that can be no field counts as a continuation, so that all octets belong to a field but those before the
/// first one.
pub fn fields(header: &[u8]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut at = 0;
    while at < header.len() {
        let end = memchr(b'\n', &header[at..]).map_or(header.len(), |length| at + length + 1);
        match (field_name(&header[at..end]), fields.last_mut()) {
            (Name::Is { length, colon }, _) => {
                fields.push(Field { name: at..at + length, value: at + colon + 1..end });
            }
            (_, Some(last)) => last.value.end = end,
            (_, None) => {}
        }
        at = end;
    }
    fields
}

/// Makes a header fit to be sent: drops NUL, makes a blank of a CR that belongs to no line end, and leaves one CR where
/// several stand before a LF: on the wire each of a thousand would end a line. A last line without an end gets one.
pub fn clean(header: &[u8]) -> Vec<u8> {
    let mut clean = header.to_vec();
    if memchr(0, header).is_some() {
        clean.retain(|octet| *octet != 0);
    }
    let Some(last) = clean.iter().rposition(|octet| *octet != b'\r') else { return Vec::new() };
    if clean[last] != b'\n' {
        clean.truncate(last + 1);
        clean.push(b'\n');
    }
    let mut before = Run::Other;
    for octet in clean.iter_mut().rev() {
        (*octet, before) = match (*octet, before) {
            (b'\r', Run::Other) => (b' ', before),
            (b'\r', Run::Lf) => (b'\r', Run::CrLf),
            (b'\r', Run::CrLf) => (SURPLUS, before),
            (b'\n', _) => (b'\n', Run::Lf),
            (other, _) => (other, Run::Other),
        };
    }
    clean.retain(|octet| *octet != SURPLUS);
    clean
}

/// What stands behind an octet.
#[derive(Clone, Copy)]
enum Run {
    Other,
    Lf,
    CrLf,
}

/// In the place of a CR before another that belongs to a line end. NUL is in no header any more.
const SURPLUS: u8 = 0;

/// Finds the end of a header of which more and more is known.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The line that is to be judged next.
    at: usize,
    /// Where the first field begins.
    first: usize,
    seen: Seen,
    dots: LoneDot,
}

/// Whether there was a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Field,
}

/// Whether more octets may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    Ended,
}

/// Where the header stands, and where the body begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) fields: Range<usize>,
    pub(super) body: Option<usize>,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Field,
    Continuation,
    Mbox,
    Blank,
    Dot,
    Body,
    /// It depends on what follows.
    Open,
}

impl Scanner {
    pub(super) fn new(dots: LoneDot) -> Self {
        Scanner { at: 0, first: 0, seen: Seen::Nothing, dots }
    }

    /// Looks at `octets`, which begin with those of the call before; `None` asks for more.
    ///
    /// The body is `None` when a lone dot ended the message in the header: `fields.end` is the place behind it then.
    pub(super) fn scan(&mut self, octets: &[u8], input: Input) -> Option<Bounds> {
        loop {
            let rest = &octets[self.at..];
            let length = memchr(b'\n', rest);
            if rest.is_empty() {
                return (input == Input::Ended).then(|| self.bounds(Some(self.at)));
            }
            let is_whole = length.is_some() || input == Input::Ended;
            let line = &rest[..length.unwrap_or(rest.len())];
            let next = self.at + length.map_or(rest.len(), |length| length + 1);
            match self.judge_marked(line, is_whole) {
                Line::Body => return Some(self.bounds(Some(self.at))),
                _ if !is_whole => return None,
                Line::Blank => return Some(self.bounds(Some(next))),
                Line::Dot => return Some(self.bounds(None)),
                Line::Mbox => self.first = next,
                Line::Field => {
                    if self.at == 0 && line.starts_with(MARK) {
                        self.first = MARK.len();
                    }
                    self.seen = Seen::Field;
                }
                Line::Continuation | Line::Open => {}
            }
            self.at = next;
        }
    }

    fn bounds(&self, body: Option<usize>) -> Bounds {
        Bounds { fields: self.first..self.at, body }
    }

    /// The mark that some editors put at the beginning of a file does not make a body of the header behind it.
    fn judge_marked(&self, line: &[u8], is_whole: bool) -> Line {
        if self.at > 0 {
            return self.judge(line, is_whole);
        }
        let behind = line.strip_prefix(MARK).map(|rest| self.judge(rest, is_whole));
        match behind {
            Some(line @ (Line::Field | Line::Open)) => line,
            None if !is_whole && MARK.starts_with(line) => Line::Open,
            Some(_) | None => self.judge(line, is_whole),
        }
    }

    fn judge(&self, line: &[u8], is_whole: bool) -> Line {
        if self.dots == LoneDot::Ends && matches!(line, b"." | b".\r") {
            return if is_whole { Line::Dot } else { Line::Open };
        }
        let line = match memchr(0, line) {
            Some(_) => Cow::Owned(line.iter().copied().filter(|octet| *octet != 0).collect::<Vec<_>>()),
            None => Cow::Borrowed(line),
        };
        if line.iter().all(|octet| *octet == b'\r') {
            return if is_whole { Line::Blank } else { Line::Open };
        }
        if matches!(line[0], b' ' | b'\t') {
            return if self.seen == Seen::Field { Line::Continuation } else { Line::Body };
        }
        match field_name(&line) {
            Name::Is { .. } => Line::Field,
            Name::Open if !is_whole => Line::Open,
            _ if self.seen == Seen::Nothing && is_mbox(&line) => Line::Mbox,
            _ => Line::Body,
        }
    }
}

/// What stands at the beginning of a line.
enum Name {
    /// A name of this length, and where its colon stands.
    Is { length: usize, colon: usize },
    /// No name.
    IsNot,
    /// Something that may become a name.
    Open,
}

fn field_name(line: &[u8]) -> Name {
    let is_name = |octet: &u8| matches!(octet, b'!'..=b'9' | b';'..=b'~');
    let length = line.iter().take(NAME_LIMIT + 1).take_while(|octet| is_name(octet)).count();
    if length > NAME_LIMIT || line.starts_with(b"--") {
        return Name::IsNot;
    }
    let blanks = line[length..].iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    match line.get(length + blanks) {
        Some(b':') if length > 0 => Name::Is { length, colon: length + blanks },
        None => Name::Open,
        Some(_) => Name::IsNot,
    }
}

/// The byte order mark in UTF-8 (RFC 3629 section 6).
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a line separates messages in an mbox file.
fn is_mbox(line: &[u8]) -> bool {
    let marks = line.iter().take_while(|octet| **octet == b'>').count();
    line[marks..].starts_with(b"From ")
}

/// A name with more octets ends the header.
const NAME_LIMIT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields and the body of a message that is known up to each octet in turn.
    fn split(text: &[u8], dots: LoneDot) -> (String, Option<String>) {
        let whole = Scanner::new(dots).scan(text, Input::Ended).unwrap();
        let mut scanner = Scanner::new(dots);
        let early = (0..=text.len()).find_map(|end| scanner.scan(&text[..end], Input::Open));
        if let Some(early) = early {
            assert_eq!(early, whole, "{:?} in pieces", text.escape_ascii().to_string());
        }
        let show = |range: &[u8]| range.escape_ascii().to_string();
        (show(&text[whole.fields]), whole.body.map(|body| show(&text[body..])))
    }

    /// P-349, and cases 44 and 46 to 48 of the sendmail face.
    #[test]
    fn the_header_ends_where_it_must() {
        for (text, header, body) in [
            (&b""[..], "", ""),
            (b"\n", "", ""),
            (b"A: b\n\nc\n", "A: b\\n", "c\\n"),
            (b"A: b\r\n\r\nc\r\n", "A: b\\r\\n", "c\\r\\n"),
            (b"A: b\r\r\n\r\r\nc", "A: b\\r\\r\\n", "c"),
            (b"A: b\n\0\nc", "A: b\\n", "c"),
            (b"A: b", "A: b", ""),
            (b"A: b\n c\n\td\n\ne", "A: b\\n c\\n\\td\\n", "e"),
            (b"A: b\n \n c\n\ne", "A: b\\n \\n c\\n", "e"),
            (b"hello world\nsecond\n", "", "hello world\\nsecond\\n"),
            (b"Subject: s\nno colon here\nmore\n", "Subject: s\\n", "no colon here\\nmore\\n"),
            (b"\nSubject: s\n\nb\n", "", "Subject: s\\n\\nb\\n"),
            (b" A: b\n", "", " A: b\\n"),
            (b"Subject : s\n\nb", "Subject : s\\n", "b"),
            (b"--x: y\n", "", "--x: y\\n"),
            (b": y\n", "", ": y\\n"),
            (b"From x@y Fri Jan  5 12:55 1997\n>From z\nA: b\n\nc", "A: b\\n", "c"),
            (b"From \nA: b\n", "A: b\\n", ""),
            // A mark is dropped before a field, and nowhere else.
            (b"\xef\xbb\xbfA: b\n c\n\nd", "A: b\\n c\\n", "d"),
            (b"\xef\xbb\xbfA : b\n", "A : b\\n", ""),
            (b"\xef\xbb\xbfhi\n", "", "\\xef\\xbb\\xbfhi\\n"),
            (b"\xef\xbb\xbf\nA: b\n", "", "\\xef\\xbb\\xbf\\nA: b\\n"),
            (b"\xef\xbb\xbf\xef\xbb\xbfA: b\n", "", "\\xef\\xbb\\xbf\\xef\\xbb\\xbfA: b\\n"),
            (b"\xef\xbb", "", "\\xef\\xbb"),
            (b"\xef\xbb\xbf", "", "\\xef\\xbb\\xbf"),
            (b"A: b\n\xef\xbb\xbfB: c\n", "A: b\\n", "\\xef\\xbb\\xbfB: c\\n"),
            (b"From : a\n", "From : a\\n", ""),
            (b"From x y\n c\n", "", " c\\n"),
            (b"A: b\nFrom x@y\n", "A: b\\n", "From x@y\\n"),
            (b"A: b\n.\n\nc", "A: b\\n", ".\\n\\nc"),
        ] {
            let (is_header, is_body) = split(text, LoneDot::IsText);
            assert_eq!((&*is_header, is_body.as_deref()), (header, Some(body)), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_lone_dot_in_the_header_ends_the_message() {
        for text in [&b"A: b\n.\nc"[..], b"A: b\n.\r\nc", b"A: b\n."] {
            assert_eq!(split(text, LoneDot::Ends), ("A: b\\n".to_owned(), None), "{}", text.escape_ascii());
        }
        assert_eq!(split(b"A: b\n..\n", LoneDot::Ends).1.as_deref(), Some("..\\n"));
    }

    #[test]
    fn names_have_a_limit() {
        let line = |length| [vec![b'n'; length], b": v\n".to_vec()].concat();
        assert!(split(&line(100), LoneDot::Ends).1.unwrap().is_empty());
        assert!(split(&line(101), LoneDot::Ends).0.is_empty());
    }

    #[test]
    fn a_line_that_is_no_field_is_known_early() {
        let mut scanner = Scanner::new(LoneDot::Ends);
        assert_eq!(scanner.scan(b"hello wor", Input::Open), Some(Bounds { fields: 0..0, body: Some(0) }));
    }

    #[test]
    fn fields_have_names_and_values() {
        let header = b"A: b\n c\nSubject : s\nE:\n";
        let found: Vec<_> = fields(header)
            .into_iter()
            .map(|field| {
                (header[field.name].escape_ascii().to_string(), header[field.value].escape_ascii().to_string())
            })
            .collect();
        let expected = [("A", " b\\n c\\n"), ("Subject", " s\\n"), ("E", "\\n")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// Case 49 of the sendmail face.
    #[test]
    fn a_header_is_made_fit_to_be_sent() {
        for (raw, fit) in [
            (&b"Subject: s\0x\n"[..], &b"Subject: sx\n"[..]),
            (b"A: b\rc\r\r\n", b"A: b c\r\n"),
            (&[b"A: ", &[b'\r'; 3000][..], b"\nB: c\n"].concat(), b"A: \r\nB: c\n"),
            (b"A: b\r", b"A: b\n"),
            (b"A: b\r\0\n", b"A: b\r\n"),
            (b"A: b", b"A: b\n"),
            (b"", b""),
            (b"\r", b""),
        ] {
            assert_eq!(clean(raw).escape_ascii().to_string(), fit.escape_ascii().to_string());
        }
    }
}
