//! Header fields with octets above 127, made ASCII where their syntax has a place for that (RFC 2047, RFC 2231).

use super::encoded_word::{self, LINE_LIMIT, ROOM};
use super::parameters::{self, Parameter};
use super::{Goal, Refusal};
use crate::address::token::{self, Kind, Token};

/// A field, whole with its line end, made ASCII, but for addresses that the goal allows. `declared` is the charset that the
/// message is said to have.
pub(super) fn encode(name: &[u8], value: &[u8], declared: Option<&str>, goal: Goal) -> Result<Vec<u8>, Refusal> {
    let shown: String = name.iter().map(|octet| char::from(*octet)).collect();
    let mut writer = Writer { out: [name, b":"].concat(), declared, name: &shown, item: Item::Same, goal };
    let is = |names: &[&str]| names.iter().any(|one| shown.eq_ignore_ascii_case(one));
    if !name.is_ascii() || is(&FIXED) || has_prefix(&shown, &FIXED_PREFIXES) {
        return Err(Refusal::Field(shown));
    }
    if is(&PARAMETERS) {
        writer.parameters(value)?;
    } else if is(&ADDRESSES) {
        writer.addresses(value)?;
    } else {
        writer.unstructured(value);
    }
    Ok(writer.out)
}

struct Writer<'a> {
    out: Vec<u8>,
    declared: Option<&'a str>,
    name: &'a str,
    item: Item,
    goal: Goal,
}

/// Whether a mailbox begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Same,
    Next,
}

impl Writer<'_> {
    /// Text with words and blanks. What is between two words that need encoding is encoded with them, because the blanks
    /// between encoded words are dropped by who reads them (RFC 2047 section 6.2). So is the one blank that separates
    /// them from an encoded word which was there before.
    fn unstructured(&mut self, value: &[u8]) {
        let text: Vec<u8> = value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
        // Blanks at the end say nothing, and no line could be folded there.
        let mut pieces = pieces(text.trim_ascii_end());
        // A line of nothing but blanks may end the header for some.
        pieces.iter_mut().filter(|piece| is_blank(&piece[0]) && piece.len() > ROOM).for_each(|piece| *piece = b" ");
        let is_raw = |at: usize| pieces.get(at).is_some_and(|piece: &&[u8]| needs_words(piece));
        let mut at = 0;
        while at < pieces.len() {
            let is_behind_word = at > 0 && is_word(pieces[at - 1]) && is_raw(at + 1);
            if !is_raw(at) && !is_behind_word {
                self.plain(pieces[at], pieces.get(at + 1));
                at += 1;
                continue;
            }
            if is_behind_word {
                self.out.push(b' ');
            }
            let end = run_end(&pieces, at + usize::from(is_behind_word));
            self.words(&pieces[at..end].concat());
            if pieces.get(end).is_some_and(|next| is_word(next)) {
                self.plain(b" ", pieces.get(end));
            }
            at = end;
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// A blank goes to the next line where the word behind it does not fit.
    fn plain(&mut self, piece: &[u8], next: Option<&&[u8]>) {
        if is_blank(&piece[0])
            && let Some(next) = next
        {
            let wanted = if needs_words(next) { ROOM } else { next.len() };
            let is_first = self.column() <= self.name.len() + 1 && !self.out.contains(&b'\n');
            if !is_first && self.column() + piece.len() + wanted > LINE_LIMIT {
                self.out.extend_from_slice(b"\r\n");
            }
        }
        self.out.extend_from_slice(piece);
    }

    /// Octets in the line that is being written.
    fn column(&self) -> usize {
        self.out.iter().rev().take_while(|octet| **octet != b'\n').count()
    }

    fn words(&mut self, text: &[u8]) {
        let column = self.column();
        if column + ROOM > LINE_LIMIT && column > 1 {
            // A blank in front may begin a line as well.
            let blank = self.out.pop_if(|octet| is_blank(octet)).unwrap_or(b' ');
            self.out.extend([b'\r', b'\n', blank]);
        }
        encoded_word::push(text, encoded_word::charset(text, self.declared), self.column(), &mut self.out);
    }

    /// Mailboxes: names, names of groups and comments can be encoded, addresses cannot.
    fn addresses(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let unreadable = |_| Refusal::Field(self.name.to_owned());
        let end = value.trim_ascii_end().len();
        let mut phrase: Vec<Token> = Vec::new();
        let mut in_angle = false;
        let mut at = 0;
        let value = &value[..end];
        while at < end {
            let token = token::next(value, at).map_err(unreadable)?;
            at = token.at.end;
            match token.kind {
                Kind::Special(special) => {
                    let is_phrase = matches!(special, b'<' | b':') && !in_angle;
                    self.tokens(value, &std::mem::take(&mut phrase), is_phrase)?;
                    in_angle = match special {
                        b'<' => true,
                        b'>' => false,
                        _ => in_angle,
                    };
                    if special == b'<' {
                        let length = value[token.at.start..].iter().take_while(|octet| **octet != b'>').count();
                        self.fold(length + 2);
                    }
                    self.out.push(special);
                    if special == b',' {
                        self.item = Item::Next;
                        self.separate(&value[at..]);
                    }
                }
                _ => phrase.push(token),
            }
        }
        self.tokens(value, &phrase, false)?;
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Begins a line behind a comma, where the next mailbox has no blank of its own in front and does not fit.
    fn separate(&mut self, rest: &[u8]) {
        let length = rest.iter().take_while(|octet| **octet != b',').count();
        if rest.first().is_some_and(|octet| !octet.is_ascii_whitespace()) && self.column() + length > WIDEST {
            self.out.extend_from_slice(b"\r\n ");
        }
    }

    /// Begins a line with the blank that was written last, where so many octets do not fit behind it.
    fn fold(&mut self, length: usize) {
        if let [.., before, blank] = self.out[..]
            && is_blank(&blank)
            && before.is_ascii_graphic()
            && self.column() + length > LINE_LIMIT
        {
            self.out.pop();
            self.out.extend([b'\r', b'\n', blank]);
        }
    }

    /// The tokens between two special characters: a phrase, or a part of an address.
    fn tokens(&mut self, value: &[u8], tokens: &[Token], is_phrase: bool) -> Result<(), Refusal> {
        let is_raw = |token: &Token| needs_words(&value[token.at.clone()]);
        let mut rest = tokens;
        while let Some(first) = rest.first() {
            let item = std::mem::replace(&mut self.item, Item::Same);
            match first.kind {
                Kind::Comment if is_raw(first) => {
                    let inner = &value[first.at.start + 1..first.at.end - 1];
                    self.out.push(b'(');
                    self.words(&unquoted(inner));
                    self.out.push(b')');
                    rest = &rest[1..];
                }
                // A line that has encoded words must be short (RFC 2047 section 2): each mailbox gets its own.
                Kind::Blank if item == Item::Next && (is_phrase || rest.len() > 1) => {
                    self.out.extend_from_slice(b"\r\n ");
                    rest = &rest[1..];
                }
                Kind::Blank | Kind::Comment => {
                    self.out.extend_from_slice(&value[first.at.clone()]);
                    rest = &rest[1..];
                }
                _ => {
                    let length = rest.iter().take_while(|token| token.kind != Kind::Comment).count();
                    let words =
                        rest[..length].iter().rposition(|token| token.kind != Kind::Blank).map_or(0, |at| at + 1);
                    let run = &rest[..words];
                    match run.iter().any(is_raw) {
                        true if is_phrase => self.phrase(value, run),
                        true if run.iter().any(|token| self.goal.is_against(&value[token.at.clone()])) => {
                            return Err(Refusal::Address(self.name.to_owned()));
                        }
                        _ => self.out.extend_from_slice(&value[run[0].at.start..run[words - 1].at.end]),
                    }
                    rest = &rest[words..];
                }
            }
        }
        Ok(())
    }

    /// A phrase becomes encoded words as a whole.
    fn phrase(&mut self, value: &[u8], run: &[Token]) {
        let mut text = Vec::new();
        for token in run {
            let octets = &value[token.at.clone()];
            match token.kind {
                Kind::Blank => text.push(b' '),
                Kind::Quoted => text.extend(unquoted(&octets[1..octets.len() - 1])),
                _ => text.extend(unquoted(octets)),
            }
        }
        self.words(&text);
    }

    /// A type or a disposition: values of parameters can be encoded.
    fn parameters(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let refused = || Refusal::Field(self.name.to_owned());
        let labelled = parameters::parse(value).ok_or_else(refused)?;
        let mut at = 0;
        for parameter in &labelled.parameters {
            let before = &value[at..parameter.at.start];
            let whole = &value[parameter.at.clone()];
            if !before.is_ascii() || (!whole.is_ascii() && parameter.name.contains('*')) {
                return Err(refused());
            }
            self.out.extend_from_slice(before);
            at = parameter.at.end;
            if whole.is_ascii() && (whole.len() <= WIDEST || !NAMES.contains(&parameter.name.as_str())) {
                self.out.extend_from_slice(whole);
                continue;
            }
            let extended =
                |other: &Parameter| other.name.strip_prefix(&parameter.name).is_some_and(|rest| rest.starts_with('*'));
            if labelled.parameters.iter().any(extended) {
                // What says it properly takes precedence; this is for readers that do not know that.
                let plain = parameter.value.iter().filter(|octet| !matches!(octet, b'"' | b'\\'));
                let plain: Vec<u8> = plain.map(|octet| if octet.is_ascii() { *octet } else { b'_' }).collect();
                self.out.extend([parameter.name.as_bytes(), b"=\"", &plain, b"\""].concat());
                continue;
            }
            let kept = self.out.trim_ascii_end().len();
            self.out.truncate(kept);
            self.extended(parameter);
        }
        if !value[at..].is_ascii() {
            return Err(refused());
        }
        self.out.extend_from_slice(value[at..].trim_ascii_end());
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// A parameter in the form of RFC 2231 section 4, in as many lines as it needs.
    fn extended(&mut self, parameter: &Parameter) {
        let charset = encoded_word::charset(&parameter.value, self.declared);
        let name = &parameter.name;
        // Some readers decode each line for itself, so that characters must not be cut.
        let length = |first: &u8| if charset == "utf-8" { encoded_word::character_length(*first) } else { 1 };
        let mut coded = Vec::new();
        let mut rest = parameter.value.as_slice();
        while let Some(first) = rest.first() {
            let (character, behind) = rest.split_at(length(first).min(rest.len()));
            coded.push(character.iter().map(percent).collect::<String>());
            rest = behind;
        }
        if name.len() + charset.len() + coded.iter().map(String::len).sum::<usize>() <= SEGMENT {
            return self.out.extend_from_slice(format!("\r\n {name}*={charset}''{}", coded.concat()).as_bytes());
        }
        self.out.extend_from_slice(format!("\r\n {name}*0*={charset}''").as_bytes());
        let mut number = 0;
        for character in coded {
            if self.column() + character.len() >= LINE_LIMIT {
                number += 1;
                self.out.extend_from_slice(format!(";\r\n {name}*{number}*=").as_bytes());
            }
            self.out.extend_from_slice(character.as_bytes());
        }
    }
}

/// Words and blanks, by turns.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    text.chunk_by(|one, other| is_blank(one) == is_blank(other)).collect()
}

/// Where a run of words ends that are encoded together: behind the last one that needs it, and before any that is
/// encoded already.
fn run_end(pieces: &[&[u8]], start: usize) -> usize {
    let near = pieces[start..].iter().take_while(|piece| !is_word(piece)).count();
    let last = pieces[start..start + near].iter().rposition(|piece| needs_words(piece)).map_or(start, |at| start + at);
    match pieces.get(last + 2) {
        // Its blank would vanish.
        Some(next) if is_word(next) => last + 2,
        _ => last + 1,
    }
}

/// Whether text becomes encoded words: it is not ASCII, or no line has room for it, which only they can mend.
fn needs_words(text: &[u8]) -> bool {
    !text.is_ascii() || (text.len() > WIDEST && !is_word(text) && !is_blank(&text[0]))
}

/// Whether a word is encoded, or looks so.
fn is_word(piece: &[u8]) -> bool {
    piece.is_ascii() && piece.windows(2).any(|two| two == b"=?")
}

fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Without line ends, and with what backslashes stand before instead of these.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut octets = text.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => plain.extend(octets.next()),
            b'\r' | b'\n' => {}
            _ => plain.push(*octet),
        }
    }
    plain
}

fn percent(octet: &u8) -> String {
    let is_plain = octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    if is_plain { char::from(*octet).to_string() } else { format!("%{octet:02X}") }
}

fn has_prefix(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
}

/// Fields with parameters (RFC 2045 section 5, RFC 2183).
const PARAMETERS: [&str; 2] = ["Content-Type", "Content-Disposition"];

/// Parameters whose values may have any length, and are read in the form of RFC 2231 (section 3).
const NAMES: [&str; 2] = ["name", "filename"];

/// Fields with mailboxes.
const ADDRESSES: [&str; 17] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Apparently-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Disposition-Notification-To",
    "Return-Receipt-To",
];

/// Fields for machines, with no place for text.
const FIXED: [&str; 20] = [
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Received",
    "Return-Path",
    "MIME-Version",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Location",
    "Content-Language",
    "Content-MD5",
    "Resent-Date",
    "Resent-Message-ID",
    "DKIM-Signature",
    "DomainKey-Signature",
    "Authentication-Results",
    "Received-SPF",
    "Autocrypt",
    "Auto-Submitted",
];

/// The same by the beginning of their names.
const FIXED_PREFIXES: [&str; 2] = ["ARC-", "List-"];

/// Octets without a blank that fit into a line (RFC 5322 section 2.1.1), with what stands around them.
const WIDEST: usize = 990;

/// Octets of a parameter in one line.
const SEGMENT: usize = 62;
