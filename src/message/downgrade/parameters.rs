//! Values of Content-Type and its kin: a word and parameters (RFC 2045 section 5.1).

use std::ops::Range;

/// A value that everybody reads alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Labelled {
    /// The type, the disposition or the encoding, in lower case.
    pub(super) word: String,
    pub(super) parameters: Vec<Parameter>,
}

/// `name=value`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// In lower case.
    pub(super) name: String,
    /// Without quotes, backslashes and line ends.
    pub(super) value: Vec<u8>,
    /// Where the whole of it stands.
    pub(super) at: Range<usize>,
}

impl Labelled {
    /// The only parameter of this name; `None` when there is none, or several.
    pub(super) fn only(&self, name: &str) -> Option<&Parameter> {
        let mut all = self.parameters.iter().filter(|parameter| parameter.name == name);
        all.next().filter(|_| all.next().is_none())
    }
}

/// Reads a value; `None` when there is something in it that some would read otherwise, or not at all.
///
/// Values without quotes go to the next blank or semicolon, because many programs write `boundary=----=_Part`.
pub(super) fn parse(value: &[u8]) -> Option<Labelled> {
    let mut at = skip(value, 0)?;
    let word = token(value, &mut at, |octet| !matches!(octet, b';' | b'('))?;
    let mut parameters = Vec::new();
    loop {
        at = skip(value, at)?;
        match value.get(at) {
            None => return Some(Labelled { word, parameters }),
            Some(b';') => at = skip(value, at + 1)?,
            Some(_) => return None,
        }
        if matches!(value.get(at), None | Some(b';')) {
            continue;
        }
        let start = at;
        let name = token(value, &mut at, |octet| !matches!(octet, b';' | b'(' | b'=' | b'"'))?;
        at = skip(value, at)?;
        if value.get(at) != Some(&b'=') {
            return None;
        }
        at = skip(value, at + 1)?;
        let content = match value.get(at) {
            Some(b'"') => quoted(value, &mut at)?,
            _ => {
                let length = value[at..].iter().take_while(|octet| !is_blank(octet) && **octet != b';').count();
                let bare = &value[at..at + length];
                if bare.is_empty() || bare.contains(&b'"') {
                    return None;
                }
                at += length;
                bare.to_vec()
            }
        };
        parameters.push(Parameter { name, value: content, at: start..at });
    }
}

/// Passes blanks, line ends and comments; `None` when a comment does not end.
fn skip(value: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    while let Some(octet) = value.get(at) {
        match octet {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b'\\' if depth > 0 => at += 1,
            _ if depth > 0 || is_blank(octet) => {}
            _ => break,
        }
        at += 1;
    }
    (depth == 0 && at <= value.len()).then_some(at)
}

/// A word of printable ASCII, in lower case.
fn token(value: &[u8], at: &mut usize, may: impl Fn(u8) -> bool) -> Option<String> {
    let length = value[*at..].iter().take_while(|octet| octet.is_ascii_graphic() && may(**octet)).count();
    let word = std::str::from_utf8(&value[*at..*at + length]).ok().filter(|word| !word.is_empty())?;
    *at += length;
    Some(word.to_ascii_lowercase())
}

fn quoted(value: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        *at += 1;
        match value.get(*at)? {
            b'"' => {
                *at += 1;
                return Some(content);
            }
            b'\\' => {
                *at += 1;
                content.push(*value.get(*at)?);
            }
            b'\r' | b'\n' => {}
            octet => content.push(*octet),
        }
    }
}

fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Option<String> {
        let labelled = parse(value.as_bytes())?;
        let parameters = labelled.parameters.iter().map(|one| {
            assert!(value[one.at.clone()].to_ascii_lowercase().starts_with(&one.name));
            format!(" {}={}", one.name, one.value.escape_ascii())
        });
        Some(labelled.word.clone() + &parameters.collect::<String>())
    }

    #[test]
    fn values_are_read_as_everybody_reads_them() {
        for (value, read) in [
            (" Text/PLAIN\r\n", "text/plain"),
            (" text/plain; charset=utf-8;\r\n", "text/plain charset=utf-8"),
            ("text/plain;;Charset = \"UTF\\-8\" ; x=y", "text/plain charset=UTF-8 x=y"),
            (" (a (b) \\) c) text/plain (d);\r\n\t(e) a=b (f)\r\n", "text/plain a=b"),
            (" multipart/mixed; boundary=----=_Part(1)\n", "multipart/mixed boundary=----=_Part(1)"),
            (" multipart/mixed; boundary=\"a b\r\n c; d\"\n", "multipart/mixed boundary=a b c; d"),
            (" attachment; filename=\u{e9}.txt", "attachment filename=\\xc3\\xa9.txt"),
            ("8bit", "8bit"),
        ] {
            assert_eq!(shown(value).as_deref(), Some(read), "{value}");
        }
        for value in [
            "",
            " \r\n",
            "text/plain charset=utf-8",
            "text/plain; charset",
            "text/plain; =x",
            "text/plain; a=b c",
            "text/plain; a=\"b",
            "text/plain; a=b\"c\"",
            "text/plain; a=\"b\"c",
            "text/plain; a=",
            "text/plain (a",
            "text/pl\u{e9}in",
        ] {
            assert_eq!(shown(value), None, "{value}");
        }
    }
}
