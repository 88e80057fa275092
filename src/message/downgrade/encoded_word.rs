//! Encoded words (RFC 2047).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What octets of a header are called: UTF-8 where they are; else what the message says of its text, where that has an
/// octet for each character and words can be cut anywhere; else what RFC 1428 has for that.
pub(super) fn charset<'a>(text: &[u8], declared: Option<&'a str>) -> &'a str {
    const SINGLE_OCTETS: [&str; 4] = ["iso-8859-", "windows-125", "koi8-", "cp125"];
    if std::str::from_utf8(text).is_ok() {
        return "utf-8";
    }
    let is_single = |name: &&str| SINGLE_OCTETS.iter().any(|prefix| name.starts_with(prefix)) && name.len() <= 20;
    declared.filter(is_single).unwrap_or("unknown-8bit")
}

/// Puts `text` at the end of `out` as encoded words, one a line, where the present line has `column` octets already.
///
/// No line has more than 76 octets (section 2), and each word has whole characters (section 5). What is in the words is
/// allowed in phrases and comments, too.
pub(super) fn push(text: &[u8], charset: &str, mut column: usize, out: &mut Vec<u8>) {
    let form = Form::of(text);
    let frame = "=?".len() + charset.len() + "?B?".len() + "?=".len();
    let mut rest = text;
    let mut separator: &[u8] = b"";
    while !rest.is_empty() {
        out.extend_from_slice(separator);
        let room = LINE_LIMIT.saturating_sub(column).min(WORD_LIMIT).saturating_sub(frame);
        let length = form.fitting(rest, charset, room);
        out.extend_from_slice(format!("=?{charset}?{}?", form.letter()).as_bytes());
        form.push(&rest[..length], out);
        out.extend_from_slice(b"?=");
        rest = &rest[length..];
        separator = b"\r\n ";
        column = 1;
    }
}

/// How the text of a word is written.
#[derive(Clone, Copy)]
enum Form {
    Base64,
    Quoted,
}

impl Form {
    /// Quoted, so that people can read the most of it, unless that makes it twice as long.
    fn of(text: &[u8]) -> Form {
        let quoted: usize = text.iter().map(quoted_length).sum();
        if quoted > text.len().div_ceil(3) * 4 * 2 { Form::Base64 } else { Form::Quoted }
    }

    fn letter(self) -> char {
        match self {
            Form::Base64 => 'B',
            Form::Quoted => 'Q',
        }
    }

    /// How many octets of the text fit into so many; one character at least.
    fn fitting(self, text: &[u8], charset: &str, room: usize) -> usize {
        let mut fitting = 0;
        let mut used = 0;
        while fitting < text.len() {
            let character = if charset == "utf-8" { character_length(text[fitting]) } else { 1 };
            let end = text.len().min(fitting + character);
            used = match self {
                Form::Base64 => end.div_ceil(3) * 4,
                Form::Quoted => used + text[fitting..end].iter().map(quoted_length).sum::<usize>(),
            };
            if used > room && fitting > 0 {
                break;
            }
            fitting = end;
        }
        fitting
    }

    fn push(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Form::Base64 => out.extend_from_slice(STANDARD.encode(text).as_bytes()),
            Form::Quoted => {
                for octet in text {
                    match octet {
                        b' ' => out.push(b'_'),
                        _ if quoted_length(octet) == 1 => out.push(*octet),
                        _ => out.extend_from_slice(format!("={octet:02X}").as_bytes()),
                    }
                }
            }
        }
    }
}

/// Of the characters that stand for themselves in `Q`, only those that do so in a phrase (section 5, rule 3).
fn quoted_length(octet: &u8) -> usize {
    if octet.is_ascii_alphanumeric() || matches!(octet, b' ' | b'!' | b'*' | b'+' | b'-' | b'/') { 1 } else { 3 }
}

/// By the first octet of a character in UTF-8.
pub(super) fn character_length(first: u8) -> usize {
    match first {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    }
}

/// Octets in a word (section 2).
const WORD_LIMIT: usize = 75;

/// Octets in a line that has one.
pub(super) const LINE_LIMIT: usize = 76;

/// Octets that a line must have left for a word to begin in it: the longest charset and some characters.
pub(super) const ROOM: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MessageParser;

    #[test]
    fn charsets_are_named_as_far_as_they_are_known() {
        assert_eq!(charset("ü".as_bytes(), Some("iso-8859-1")), "utf-8");
        assert_eq!(charset(b"\xfc", Some("iso-8859-1")), "iso-8859-1");
        assert_eq!(charset(b"\xfc", Some("shift_jis")), "unknown-8bit");
        assert_eq!(charset(b"\xfc", None), "unknown-8bit");
    }

    /// P-359
    #[test]
    fn words_have_whole_characters_and_lines_their_limit() {
        for text in [
            "Привет, мир! ".repeat(30),
            "Grüße (aus) \"Köln\"_?=\t.".to_owned(),
            "日本語".repeat(60),
            "\u{1f600}".repeat(50),
            format!("{}é", "x".repeat(400)),
        ] {
            for column in [0, 9, 36] {
                let mut out = vec![b'x'; column];
                push(text.as_bytes(), "utf-8", column, &mut out);
                let words = String::from_utf8(out[column..].to_vec()).unwrap();
                for (number, line) in words.split("\r\n").enumerate() {
                    let before = if number == 0 { column } else { 0 };
                    let word = line.trim_start();
                    assert!(before + line.len() <= 76 && word.len() <= 75, "{line}");
                    assert!(word.starts_with("=?utf-8?") && word.ends_with("?="), "{line}");
                    let one = format!("Subject: {word}\r\n\r\n");
                    let parsed = MessageParser::new().parse(one.as_bytes()).unwrap();
                    assert!(!parsed.subject().unwrap().contains('\u{fffd}'), "{line}");
                }
                let field = format!("Subject: {words}\r\n\r\n");
                assert_eq!(MessageParser::new().parse(field.as_bytes()).unwrap().subject(), Some(text.as_str()));
            }
        }
    }
}
