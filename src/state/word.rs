//! One word of a line in a file of ours.

use std::fmt::Write as _;

/// One word without a blank, whatever the text is; never a lone `-`, nor the beginning of a comment.
pub(super) fn encoded(text: &str) -> String {
    let mut word = String::new();
    for octet in text.bytes() {
        match octet {
            b'%' | b'#' => _ = write!(word, "%{octet:02x}"),
            b'-' if text.len() == 1 => word.push_str("%2d"),
            b'!'..=b'~' => word.push(char::from(octet)),
            _ => _ = write!(word, "%{octet:02x}"),
        }
    }
    word
}

/// The text of a word; nothing where it is empty, no text, has more octets than `longest`, or would begin a comment.
pub(super) fn decoded(word: &str, longest: usize) -> Option<String> {
    let mut pieces = word.split('%');
    let mut octets = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        // Otherwise `+1` would be a number, too.
        let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok().filter(|text| !text.is_empty() && text.len() <= longest && !text.starts_with('#'))
}
