//! Replies: what a server says (RFC 5321 section 4.2), read from any segmentation of its octets.

use std::fmt;
use std::sync::Arc;

/// A line of a reply may be this long, in octets: enough for the longest `334` challenge (RFC 4954 section 4
/// asks for 12288), far more than the 512 of RFC 5321 section 4.5.3.1.5.
const LINE_LIMIT: usize = 16 * 1024;
/// A whole reply may be this long, in octets, and have that many lines: a server that goes on for ever must not
/// fill our memory.
const REPLY_LIMIT: usize = 64 * 1024;
const LINES_LIMIT: usize = 500;
/// So many octets are shown of a line that is no reply.
const SHOWN: usize = 200;
/// So many octets tell whether what is no reply is text.
const START: usize = 4;
/// So many characters are kept of a reply that is abridged.
const ABRIDGED: usize = 80;

/// A complete reply of one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// Shared, because one reply may be the verdict of thousands of recipients.
    lines: Arc<[String]>,
}

/// What the first digit of a reply code means (RFC 5321 section 4.2.1). Nothing else of a reply decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Success,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now.
    Temporary,
    /// 5yz: no.
    Permanent,
}

/// An enhanced status code (RFC 2034, RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about: 1 addressing, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

/// Octets that are no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The line does not begin with three digits and a blank or a hyphen.
    #[error("a line that is no SMTP reply: {0}")]
    NotAReply(String),
    /// A first digit of 0, 1 or 6 to 9.
    #[error("the reply code {0}, which SMTP does not have")]
    Code(u16),
    /// The lines of one reply have different codes.
    #[error("a reply whose lines have different codes, {0} and {1}")]
    MixedCodes(u16, u16),
    /// The line or the reply is longer than any honest one.
    #[error("a reply without end (more than {0} octets)")]
    TooLong(usize),
    /// The peer speaks TLS where SMTP was expected.
    #[error("TLS records instead of SMTP")]
    Tls,
    /// The peer speaks HTTP.
    #[error("HTTP instead of SMTP")]
    Http,
    /// The peer speaks SSH.
    #[error("SSH instead of SMTP")]
    Ssh,
}

impl Malformed {
    /// The same with other words.
    pub(super) fn map_text(self, change: impl FnOnce(&str) -> String) -> Self {
        match self {
            Malformed::NotAReply(line) => Malformed::NotAReply(change(&line)),
            other => other,
        }
    }

    /// Whether replies can still be told apart, so that a QUIT makes sense.
    pub(super) fn in_step(&self) -> bool {
        matches!(self, Malformed::Code(_) | Malformed::MixedCodes(..))
    }
}

impl Reply {
    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The meaning of the first digit.
    pub fn class(&self) -> Class {
        match self.code / 100 {
            2 => Class::Success,
            3 => Class::Intermediate,
            4 => Class::Temporary,
            _ => Class::Permanent,
        }
    }

    /// The text of each line without the code, with controls and octets that are not UTF-8 escaped.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The text of the first line; empty where there is none.
    pub fn text(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// The same reply with other words.
    pub(super) fn map_lines(&self, change: impl Fn(&str) -> String) -> Reply {
        Reply { code: self.code, lines: self.lines.iter().map(|line| change(line)).collect() }
    }

    /// Octets of text.
    pub(super) fn size(&self) -> usize {
        self.lines.iter().map(String::len).sum()
    }

    /// The code and the beginning of the first line.
    pub(super) fn abridged(&self) -> Reply {
        Reply { code: self.code, lines: Arc::new([self.text().chars().take(ABRIDGED).collect()]) }
    }

    /// The enhanced status code of the last line that has one, whatever EHLO said (RFC 2034 section 4). One whose
    /// class contradicts the reply code is not believed and counts as `X.0.0` (Postfix does so).
    pub fn enhanced(&self) -> Option<Enhanced> {
        let class = match self.class() {
            Class::Success => 2,
            Class::Temporary => 4,
            Class::Permanent => 5,
            Class::Intermediate => return None,
        };
        let found = self.lines.iter().rev().find_map(|line| Enhanced::parse(line))?;
        if found.class == class { Some(found) } else { Some(Enhanced { class, subject: 0, detail: 0 }) }
    }
}

impl fmt::Display for Reply {
    /// The whole reply on one line, as a person quotes it: the code once, the lines joined by blanks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

impl Enhanced {
    /// Reads `class.subject.detail` at the beginning of a text, followed by a blank or by nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split([' ', '\t']).next()?;
        let mut parts = word.split('.');
        let mut number = |longest: usize| -> Option<u16> {
            let part = parts.next()?;
            let digits = !part.is_empty() && part.len() <= longest && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse().ok() } else { None }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        if parts.next().is_some() || ![2, 4, 5].contains(&class) {
            return None;
        }
        Some(Enhanced { class: class as u8, subject, detail })
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply whose last line has not come yet.
#[derive(Debug)]
struct Partial {
    code: u16,
    lines: Vec<String>,
}

/// Puts replies together from octets as they arrive.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Octets of `buffer` that were taken already.
    taken: usize,
    /// Octets of `buffer` up to which there is no line feed.
    searched: usize,
    /// The reply whose last line has not come yet.
    partial: Option<Partial>,
    partial_size: usize,
}

impl Reader {
    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.searched -= self.taken;
            self.taken = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// Whether nothing was received that was not given out as a whole reply.
    pub fn is_empty(&self) -> bool {
        self.taken == self.buffer.len() && self.partial.is_none()
    }

    /// What has begun and is no reply, where nothing will come any more.
    pub(super) fn begun(&self) -> Option<Malformed> {
        let rest = &self.buffer[self.taken..];
        let is_other = rest.first().is_some_and(|first| !first.is_ascii_digit());
        is_other.then(|| not_a_reply(first_line(rest)))
    }

    /// The next complete reply, if it has arrived.
    ///
    /// # Errors
    /// [`Malformed`] when what arrived is no reply; nothing after that can be trusted.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, Malformed> {
        loop {
            let rest = &self.buffer[self.taken..];
            check_start(rest)?;
            let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return if rest.len() > LINE_LIMIT { Err(Malformed::TooLong(LINE_LIMIT)) } else { Ok(None) };
            };
            let end = self.searched + end;
            // Old servers end their lines with a bare LF; reading it does no harm.
            let line = &self.buffer[self.taken..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > LINE_LIMIT {
                return Err(Malformed::TooLong(LINE_LIMIT));
            }
            let (code, last, text) = parse_line(line)?;
            self.partial_size += line.len();
            self.taken = end + 1;
            self.searched = self.taken;
            let reply = self.partial.get_or_insert_with(|| Partial { code, lines: Vec::new() });
            if reply.code != code {
                return Err(Malformed::MixedCodes(reply.code, code));
            }
            reply.lines.push(text);
            if self.partial_size > REPLY_LIMIT || reply.lines.len() > LINES_LIMIT {
                return Err(Malformed::TooLong(REPLY_LIMIT));
            }
            if last {
                self.partial_size = 0;
                return Ok(self.partial.take().map(|Partial { code, lines }| Reply { code, lines: lines.into() }));
            }
        }
    }
}

/// Refuses what cannot become a reply before the end of the line is there: other protocols may have no line feed to
/// wait for. What looks like text is waited for, so that all of it can be shown however it comes in.
fn check_start(rest: &[u8]) -> Result<(), Malformed> {
    match rest {
        [0x14..=0x17, 0x03, ..] => Err(Malformed::Tls),
        [b'H', b'T', b'T', b'P', ..] => Err(Malformed::Http),
        [b'S', b'S', b'H', b'-', ..] => Err(Malformed::Ssh),
        [first, ..] if first.is_ascii_digit() => Ok(()),
        _ => {
            let line = first_line(rest);
            let is_text = |octet: &u8| !octet.is_ascii_control() || octet.is_ascii_whitespace();
            match line.get(..START) {
                Some(start) if !start.iter().all(is_text) => Err(Malformed::NotAReply(printable(start))),
                Some(_) if line.len() > SHOWN => Err(not_a_reply(line)),
                _ => Ok(()),
            }
        }
    }
}

fn first_line(rest: &[u8]) -> &[u8] {
    rest.split(|&b| b == b'\n').next().unwrap_or(rest)
}

/// A line of something else, as far as it is shown.
fn not_a_reply(line: &[u8]) -> Malformed {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Malformed::NotAReply(printable(&line[..line.len().min(SHOWN)]))
}

/// Code, whether it is the last line, and text.
fn parse_line(line: &[u8]) -> Result<(u16, bool, String), Malformed> {
    let no = || not_a_reply(line);
    let (digits, rest) = line.split_at_checked(3).ok_or_else(no)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(no());
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let (last, text) = match rest {
        [] => (true, rest),
        [b' ' | b'\t', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return Err(no()),
    };
    if !(200..600).contains(&code) {
        return Err(Malformed::Code(code));
    }
    Ok((code, last, printable(text.trim_ascii_end())))
}

/// Text that is safe on a terminal and in a log: controls and octets that are not UTF-8 become `\xNN`.
pub fn printable(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            // C1 controls (U+0080 to U+009F) steer terminals as well; bidirectional marks turn text around.
            if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                escape(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(c);
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

fn escape(out: &mut String, octets: &[u8]) {
    for octet in octets {
        out.push_str(&format!("\\x{octet:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(octets: &[u8]) -> Result<Vec<Reply>, Malformed> {
        let mut reader = Reader::default();
        reader.push(octets);
        let mut replies = Vec::new();
        while let Some(reply) = reader.next_reply()? {
            replies.push(reply);
        }
        Ok(replies)
    }

    /// P-013 P-014 P-021
    #[test]
    fn lines_of_every_legal_form() {
        for (text, code, lines) in [
            ("250\r\n", 250, vec![""]),
            ("250 \r\n", 250, vec![""]),
            ("250 ok\r\n", 250, vec!["ok"]),
            ("250 ok\n", 250, vec!["ok"]),
            ("250-a\r\n250\r\n", 250, vec!["a", ""]),
            ("220-a\r\n220-* legal notice\r\n220 b\r\n", 220, vec!["a", "* legal notice", "b"]),
        ] {
            let replies = all(text.as_bytes()).unwrap();
            assert_eq!(replies.len(), 1, "{text:?}");
            assert_eq!(
                (replies[0].code(), replies[0].lines()),
                (code, &lines.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..])
            );
        }
    }

    /// P-015 P-018 P-023
    #[test]
    fn what_is_no_reply_is_an_error() {
        assert_eq!(all(b"250-a\r\n550 b\r\n"), Err(Malformed::MixedCodes(250, 550)));
        assert_eq!(all(b"150 x\r\n"), Err(Malformed::Code(150)));
        assert_eq!(all(b"000 x\r\n"), Err(Malformed::Code(0)));
        assert!(matches!(all(b"garbage\r\n"), Err(Malformed::NotAReply(_))));
        assert!(matches!(all(b"2x0 a\r\n"), Err(Malformed::NotAReply(_))));
        assert!(matches!(all(b"250_a\r\n"), Err(Malformed::NotAReply(_))));
        assert!(matches!(all(b"\r\n"), Err(Malformed::NotAReply(_))));
        assert_eq!(all(b"\x15\x03\x01\x00\x02"), Err(Malformed::Tls));
        assert_eq!(all(b"HTTP/1.1 400"), Err(Malformed::Http));
        assert_eq!(all(b"SSH-2.0-x"), Err(Malformed::Ssh));
    }

    /// P-024
    #[test]
    fn segmentation_does_not_matter() {
        let text = b"220 a\r\n250-b\r\n250-c\r\n250 d\r\n354 e\r\n";
        let whole = all(text).unwrap();
        let mut reader = Reader::default();
        let mut replies = Vec::new();
        for octet in text {
            reader.push(&[*octet]);
            while let Some(reply) = reader.next_reply().unwrap() {
                replies.push(reply);
            }
        }
        assert_eq!(replies, whole);
        assert!(reader.is_empty());
    }

    /// P-023 P-024: what is shown of something else does not depend on how it comes in.
    #[test]
    fn what_is_no_reply_is_quoted_alike_in_all_pieces() {
        let long = format!("{}\r\n250 x\r\n", "garbage ".repeat(40));
        let just = format!("{}\r\n250 x\r\n", "g".repeat(SHOWN));
        for (text, shown) in [
            ("hello?\r\n250 x\r\n", "hello?".to_owned()),
            ("+OK POP3 ready\n", "+OK POP3 ready".to_owned()),
            ("?\r\n250 x\r\n", "?".to_owned()),
            ("\x00\n250 x\r\n", "\\x00".to_owned()),
            ("J\x00\x00\x00\n8.0.36\x00 and so on", "J\\x00\\x00\\x00".to_owned()),
            ("2x0 a\r\n", "2x0 a".to_owned()),
            (&just, "g".repeat(SHOWN)),
            (&long, "garbage ".repeat(SHOWN / 8)),
        ] {
            for size in [1, 2, 3, 5, 7, 199, 200, 201, 1000] {
                let mut reader = Reader::default();
                let found = text.as_bytes().chunks(size).find_map(|piece| {
                    reader.push(piece);
                    reader.next_reply().err()
                });
                assert_eq!(found, Some(Malformed::NotAReply(shown.clone())), "{size}: {text:?}");
            }
        }
        let mut reader = Reader::default();
        reader.push(b"250-a\r\nhel");
        assert_eq!((reader.next_reply(), reader.begun()), (Ok(None), Some(Malformed::NotAReply("hel".to_owned()))));
    }

    /// P-020
    #[test]
    fn long_lines_are_read_and_endless_ones_are_not() {
        let line = format!("250 {}\r\n", "x".repeat(1500));
        assert_eq!(all(line.as_bytes()).unwrap()[0].text().len(), 1500);
        assert_eq!(all(&b"250 ".repeat(5000)), Err(Malformed::TooLong(LINE_LIMIT)));
        assert_eq!(all(&b"250-x\r\n".repeat(600)), Err(Malformed::TooLong(REPLY_LIMIT)));
        assert_eq!(
            all(format!("250-{}\r\n", "x".repeat(8000)).repeat(9).as_bytes()),
            Err(Malformed::TooLong(REPLY_LIMIT))
        );
    }

    /// P-022 P-291
    #[test]
    fn controls_are_escaped_and_utf8_is_not() {
        let replies = all(b"550 \x1b]0;pwn\x07 \xe2\x9c\x93 \xff\x00\r\n").unwrap();
        assert_eq!(replies[0].text(), "\\x1b]0;pwn\\x07 \u{2713} \\xff\\x00");
    }

    /// P-279 P-280
    #[test]
    fn enhanced_status_codes() {
        let enhanced = |text: &str| all(text.as_bytes()).unwrap()[0].enhanced().map(|code| code.to_string());
        assert_eq!(enhanced("550 5.1.1 <x>\r\n").as_deref(), Some("5.1.1"));
        assert_eq!(enhanced("250 2.0.0Ok\r\n"), None);
        assert_eq!(enhanced("550 4.2.1 try later\r\n").as_deref(), Some("5.0.0"));
        assert_eq!(enhanced("550-5.7.1 a\r\n550 5.7.1 b\r\n").as_deref(), Some("5.7.1"));
        assert_eq!(enhanced("550 5.1234.1 x\r\n"), None);
        assert_eq!(enhanced("354 3.0.0 go\r\n"), None);
    }
}
