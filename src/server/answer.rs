//! Replies of the server's side.

use std::borrow::Cow;

/// One reply of one line: code, enhanced status code (RFC 3463) and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub code: u16,
    pub status: Status,
    pub text: Cow<'static, str>,
}

/// The enhanced status code of a reply; its class is the first digit of the reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Greetings, EHLO and 3xx have none (RFC 2034 section 3).
    None,
    /// Subject and detail.
    Of(u16, u16),
}

impl Answer {
    pub(super) fn new(code: u16, subject: u16, detail: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Answer { code, status: Status::Of(subject, detail), text: text.into() }
    }

    /// A reply that has no enhanced status code.
    pub(super) fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Answer { code, status: Status::None, text: text.into() }
    }

    /// Writes the line; control characters become question marks, and what is too long for a reply line
    /// (RFC 5321 section 4.5.3.1.5) is cut.
    pub(super) fn write(&self, enhanced: Enhanced, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} ", self.code).as_bytes());
        if let (Status::Of(subject, detail), Enhanced::Yes) = (self.status, enhanced) {
            out.extend_from_slice(format!("{}.{subject}.{detail} ", self.code / 100).as_bytes());
        }
        let text: String = self.text.chars().map(|c| if c.is_control() { '?' } else { c }).take(LONGEST_TEXT).collect();
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether enhanced status codes are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enhanced {
    Yes,
    No,
}

/// In characters; room for the codes stays. Challenges are shorter.
const LONGEST_TEXT: usize = 480;
