//! The lexical tokens of address lists (RFC 5322 section 3.2), over octets.

use super::error::{AddressError, Fault};
use std::ops::Range;

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) at: Range<usize>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blanks and folds.
    Blank,
    /// A comment, with its parentheses.
    Comment,
    /// A quoted string, with its quotes.
    Quoted,
    /// A domain literal, with its brackets.
    Literal,
    /// Octets without a meaning of their own. Dots and backslashes are among them.
    Atom,
    /// One of `@ < > , : ;`.
    Special(u8),
}

/// The token that begins at `at`, which is less than the length of `text`.
pub(crate) fn next(text: &[u8], at: usize) -> Result<Token, AddressError> {
    let rest = &text[at..];
    let (kind, length) = match rest[0] {
        b' ' | b'\t' | b'\r' | b'\n' => (Kind::Blank, blank(rest)?),
        b'(' => (Kind::Comment, comment(rest)?),
        b'"' => (Kind::Quoted, delimited(rest, b'"', Fault::OpenQuote)?),
        b'[' => (Kind::Literal, delimited(rest, b']', Fault::OpenLiteral)?),
        b')' | b']' => return Err(AddressError::new(rest, Fault::Misplaced(char::from(rest[0])))),
        special @ (b'@' | b'<' | b'>' | b',' | b':' | b';') => (Kind::Special(special), 1),
        _ => (Kind::Atom, atom(rest)),
    };
    Ok(Token { kind, at: at..at + length })
}

/// A line break is part of a fold, or the end of the text.
fn blank(rest: &[u8]) -> Result<usize, AddressError> {
    let length = rest.iter().position(|octet| !matches!(octet, b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(rest.len());
    let is_last = length == rest.len();
    if !is_last && matches!(rest[length - 1], b'\r' | b'\n') {
        return Err(AddressError::new(rest, Fault::LineBreak));
    }
    Ok(length)
}

fn comment(rest: &[u8]) -> Result<usize, AddressError> {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 1,
            b'(' if depth == COMMENT_DEPTH => return Err(AddressError::new(rest, Fault::DeepComment)),
            b'(' => depth += 1,
            b')' if depth == 1 => return Ok(at + 1),
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Err(AddressError::new(rest, Fault::OpenComment))
}

fn delimited(rest: &[u8], end: u8, open: Fault) -> Result<usize, AddressError> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 1,
            octet if octet == end => return Ok(at + 1),
            _ => {}
        }
        at += 1;
    }
    Err(AddressError::new(rest, open))
}

fn atom(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            // What a backslash stands before has no meaning of its own (RFC 5322 section 4.4).
            b'\\' if at + 1 < rest.len() && !matches!(rest[at + 1], b'\r' | b'\n') => at += 2,
            b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b'"' | b'[' | b']' => break,
            b'@' | b'<' | b'>' | b',' | b':' | b';' => break,
            _ => at += 1,
        }
    }
    at
}

/// Comments stand in comments so deep and no deeper.
const COMMENT_DEPTH: u32 = 50;
