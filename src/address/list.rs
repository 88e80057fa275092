//! Address lists as people and programs write them (RFC 5322 sections 3.4 and 4.4), in header fields and arguments.
//!
//! The parser is tolerant where the meaning is plain, and refuses where mail might go to somebody who was not meant.
//! It takes time in proportion to the text and does not recurse.

use super::error::{AddressError, Fault};
use super::token::{self, Kind, Token};
use super::{Address, Mailbox, Origin};
use std::ops::Range;

/// Reads a list of mailboxes. Names without a domain get `mail_domain`; with an empty one they are errors, but for
/// `postmaster`.
///
/// Phrases with dots and `@` are accepted; comments and routes are dropped, groups opened, empty items skipped.
/// Bare addresses with nothing but blanks between them are split when each word has an `@` or looks like a login
/// name. `\root` is `root`. An empty text and `<>` are nobody, and no error: the list is empty then.
///
/// # Errors
/// [`AddressError`] names the first piece that is no address. Commands, files and includes always are errors, and so
/// is a line break that is not a fold.
///
/// ```
/// let list = posthaste::address::parse_list("Joe Q <joe@a.example>, root", "example.org").unwrap();
/// assert_eq!(list[0].name.as_deref(), Some("Joe Q"));
/// assert_eq!(list[1].address.as_str(), "root@example.org");
/// ```
pub fn parse_list(text: &str, mail_domain: &str) -> Result<Vec<Mailbox>, AddressError> {
    find(text.as_bytes())?.into_iter().map(|found| found.mailbox(mail_domain)).collect()
}

/// Reads a list that a person has typed, as [`parse_list`] does, but for one thing: a name without a domain before a
/// comma and a mailbox with a name is taken for a part of that name.
///
/// # Errors
/// [`AddressError`]; with [`Fault::CommaInName`] for `Doe, John <john@x>`, which would go to a user `Doe` as well.
///
/// ```
/// use posthaste::address::parse_typed_list;
/// assert!(parse_typed_list("Doe, John <john@a.example>", "example.org").is_err());
/// assert!(parse_typed_list("doe, john@a.example", "example.org").is_ok());
/// ```
pub fn parse_typed_list(text: &str, mail_domain: &str) -> Result<Vec<Mailbox>, AddressError> {
    let found = find(text.as_bytes())?;
    for pair in found.windows(2) {
        let [before, behind] = [&pair[0], &pair[1]].map(|found| found.is_in_brackets(text));
        if pair[0].is_unqualified() && !before && behind && pair[1].name.is_some() {
            let piece = &text.as_bytes()[pair[0].at.start..pair[1].at.end];
            return Err(AddressError::new(&[piece, b">"].concat(), Fault::CommaInName));
        }
    }
    found.into_iter().map(|found| found.mailbox(mail_domain)).collect()
}

/// Finds the mailboxes of a list, without a verdict on whether their addresses can be sent.
pub(crate) fn find(text: &[u8]) -> Result<Vec<Found<'_>>, AddressError> {
    let mut list = List { text, start: 0, item: Vec::new(), angle: Angle::None, group: Group::None, found: Vec::new() };
    let mut at = 0;
    while at < text.len() {
        let token = token::next(text, at)?;
        at = token.at.end;
        match token.kind {
            Kind::Special(b',') => list.end_item(token.at)?,
            Kind::Special(b';') => list.end_group(token.at)?,
            Kind::Special(b':') => list.begin_group(token.at)?,
            Kind::Special(b'<') => at = list.angle(token.at)?,
            Kind::Special(b'>') => return Err(list.error(at, Fault::Misplaced('>'))),
            _ => list.item.push(token),
        }
    }
    list.end_item(at..at)?;
    match list.group {
        Group::Since(before) if before < list.found.len() => Err(AddressError::new(text, Fault::OpenGroup)),
        _ => Ok(list.found),
    }
}

/// A mailbox in a list, and where its address stands.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The name, as in [`Mailbox`].
    pub(crate) name: Option<String>,
    /// The local part without quotes.
    local: Vec<u8>,
    /// The domain as it is written.
    domain: Option<Vec<u8>>,
    /// The address as it is written.
    text: &'a [u8],
    /// Where that stands.
    pub(crate) at: Range<usize>,
    /// What stands between this one and the next.
    pub(crate) separator: Separator,
}

/// What stands behind a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// A comma, a semicolon, or the end.
    Proper,
    /// Only blanks.
    Blank,
}

impl Found<'_> {
    /// Whether the address has no domain of its own.
    pub(crate) fn is_unqualified(&self) -> bool {
        self.domain.is_none()
    }

    /// Whether the domain is what is not ASCII in the address, so that another form of it is.
    pub(crate) fn is_foreign_by_domain_alone(&self) -> bool {
        self.local.is_ascii() && self.domain.as_ref().is_some_and(|domain| !domain.is_ascii())
    }

    /// Whether the address stands in angle brackets.
    fn is_in_brackets(&self, text: &str) -> bool {
        text.as_bytes()[..self.at.start].trim_ascii_end().ends_with(b"<")
    }

    /// The address, with `mail_domain` where it has no domain.
    pub(crate) fn address(&self, mail_domain: &str) -> Result<Address, AddressError> {
        let default = (!mail_domain.is_empty()).then_some(mail_domain.as_bytes());
        let mut address = Address::from_parts(&self.local, self.domain.as_deref().or(default))
            .map_err(|fault| AddressError::new(self.text, fault))?;
        if self.is_unqualified() && !self.text.starts_with(b"\\") {
            address.origin = Origin::Added;
        }
        Ok(address)
    }

    fn mailbox(self, mail_domain: &str) -> Result<Mailbox, AddressError> {
        Ok(Mailbox { address: self.address(mail_domain)?, name: self.name })
    }
}

/// The list as far as it was read.
struct List<'a> {
    text: &'a [u8],
    /// Where the item in work begins.
    start: usize,
    /// Its tokens: all of them, or those behind the angle brackets.
    item: Vec<Token>,
    angle: Angle,
    group: Group,
    found: Vec<Found<'a>>,
}

/// Whether the item in work has an address in angle brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Angle {
    None,
    /// One that named nobody.
    Empty,
    /// The last of those found.
    Found,
}

/// Whether a group is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    None,
    /// One is, and so many mailboxes were found before.
    Since(usize),
}

impl<'a> List<'a> {
    fn end_item(&mut self, by: Range<usize>) -> Result<(), AddressError> {
        let item = std::mem::take(&mut self.item);
        match self.angle {
            Angle::None => self.bare(&item, by.start)?,
            _ if item.iter().any(is_significant) => return Err(self.error(by.start, Fault::BehindAngle)),
            Angle::Found => {
                if let Some(last) = self.found.last_mut().filter(|last| last.name.is_none()) {
                    last.name = comment(self.text, &item);
                }
            }
            Angle::Empty => {}
        }
        self.start = by.end;
        self.angle = Angle::None;
        Ok(())
    }

    fn begin_group(&mut self, colon: Range<usize>) -> Result<(), AddressError> {
        let name = self.item.iter().filter(|token| is_significant(token));
        let fault = match name.clone().next() {
            None if starts_with_include(&self.text[colon.start..]) => Some(Fault::Include),
            None => Some(Fault::Misplaced(':')),
            _ if self.group != Group::None => Some(Fault::NestedGroup),
            _ if self.angle != Angle::None => Some(Fault::BehindAngle),
            _ => name.clone().any(|token| token.kind == Kind::Special(b'@')).then_some(Fault::Misplaced(':')),
        };
        if let Some(fault) = fault {
            return Err(self.error(self.item_end(colon.end), fault));
        }
        self.group = Group::Since(self.found.len());
        self.item.clear();
        self.start = colon.end;
        Ok(())
    }

    fn end_group(&mut self, semicolon: Range<usize>) -> Result<(), AddressError> {
        if self.group == Group::None {
            return Err(self.error(self.item_end(semicolon.end), Fault::Semicolon));
        }
        self.group = Group::None;
        self.end_item(semicolon)
    }

    /// Reads from `<` to `>` and gives the place behind that.
    fn angle(&mut self, open: Range<usize>) -> Result<usize, AddressError> {
        let mut at = open.end;
        let mut tokens = Vec::new();
        loop {
            if at == self.text.len() {
                return Err(self.error(at, Fault::OpenAngle));
            }
            let token = token::next(self.text, at)?;
            at = token.at.end;
            match token.kind {
                Kind::Special(b'>') => break,
                Kind::Special(c @ (b'<' | b';')) => return Err(self.error(at, Fault::Misplaced(char::from(c)))),
                _ if is_significant(&token) => tokens.push(token),
                _ => {}
            }
        }
        if self.angle != Angle::None {
            return Err(self.error(at, Fault::BehindAngle));
        }
        let phrase = std::mem::take(&mut self.item);
        let spec = self.without_route(&tokens, at)?;
        if spec.is_empty() {
            self.angle = Angle::Empty;
            return Ok(at);
        }
        let name = name(self.text, &phrase).or_else(|| comment(self.text, &phrase));
        let found = self.addr_spec(spec, name).map_err(|fault| self.error(at, fault))?;
        self.found.push(found);
        self.angle = Angle::Found;
        Ok(at)
    }

    /// What stands behind a source route (`@a,@b:`), which nobody follows any more (RFC 5321 section 3.3).
    fn without_route<'t>(&self, tokens: &'t [Token], end: usize) -> Result<&'t [Token], AddressError> {
        let is = |token: &Token, c| token.kind == Kind::Special(c);
        let colon = tokens.iter().position(|token| is(token, b':'));
        let spec = match (tokens.first(), colon) {
            (Some(first), Some(colon)) if is(first, b'@') => &tokens[colon + 1..],
            (Some(first), Some(0)) if starts_with_include(&self.text[first.at.start..]) => {
                return Err(self.error(end, Fault::Include));
            }
            _ => tokens,
        };
        match spec.iter().find(|token| is(token, b':') || is(token, b',')) {
            Some(token) => Err(self.error(end, Fault::Misplaced(char::from(self.text[token.at.start])))),
            None => Ok(spec),
        }
    }

    /// An item without angle brackets: an address, or several with blanks between them.
    fn bare(&mut self, item: &[Token], end: usize) -> Result<(), AddressError> {
        let words = words(item);
        let error = |fault| self.error(end, fault);
        let Some(first) = words.first() else { return Ok(()) };
        if self.text[first[0].at.start] == b'|' {
            return Err(error(Fault::Command));
        }
        if words.len() > 1 && !words.iter().all(|word| self.stands_alone(word)) {
            return Err(error(Fault::Words));
        }
        let name = comment(self.text, item).filter(|_| words.len() == 1);
        let mut found = Vec::with_capacity(words.len());
        for word in &words {
            found.push(self.addr_spec(word, name.clone()).map_err(error)?);
        }
        let last = found.len() - 1;
        found[..last].iter_mut().for_each(|one| one.separator = Separator::Blank);
        self.found.append(&mut found);
        Ok(())
    }

    /// Whether a word among others is an address: it has an `@`, or looks like a login name. Those are in lower case;
    /// `Joe Public` is a person whose address is missing.
    fn stands_alone(&self, word: &[Token]) -> bool {
        word.iter().any(|token| token.kind == Kind::Special(b'@'))
            || word.iter().all(|token| {
                let text = &self.text[token.at.clone()];
                token.kind == Kind::Atom
                    && matches!(text[0], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'\\')
                    && text[1..].iter().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'+'))
                    && !text.ends_with(b".")
            })
    }

    /// An addr-spec, or a name without a domain.
    fn addr_spec(&self, tokens: &[Token], name: Option<String>) -> Result<Found<'a>, Fault> {
        let mut sides = tokens.split(|token| token.kind == Kind::Special(b'@'));
        let (local, domain) = (sides.next().unwrap_or_default(), sides.next());
        if sides.next().is_some() {
            return Err(Fault::TwoAts);
        }
        let at = tokens[0].at.start..tokens[tokens.len() - 1].at.end;
        let found = Found {
            name,
            local: self.local(local, domain)?,
            domain: domain.map(|tokens| self.domain(tokens)).transpose()?,
            text: &self.text[at.clone()],
            at,
            separator: Separator::Proper,
        };
        match (found.local.first(), local[0].kind, domain) {
            (Some(b'|'), _, None) | (Some(b'|'), Kind::Atom, Some(_)) => Err(Fault::Command),
            (Some(b'/'), _, None) => Err(Fault::File),
            (_, _, None) if starts_with_include(&found.local) => Err(Fault::Include),
            _ => Ok(found),
        }
    }

    /// The local part without quotes.
    fn local(&self, tokens: &[Token], domain: Option<&[Token]>) -> Result<Vec<u8>, Fault> {
        let mut local = Vec::new();
        if tokens.is_empty() {
            return Err(Fault::NoLocal);
        }
        for (index, token) in tokens.iter().enumerate() {
            let mut text = &self.text[token.at.clone()];
            match token.kind {
                Kind::Quoted if text.iter().any(u8::is_ascii_control) => return Err(Fault::Control),
                Kind::Quoted => local.extend(unquote(text)),
                Kind::Atom => {
                    // `\root`: the mark of old for "do not look at aliases".
                    if index == 0 && domain.is_none() {
                        text = text.strip_prefix(b"\\").unwrap_or(text);
                    }
                    if text.is_empty() || text.contains(&b'\\') {
                        return Err(Fault::BadLocal);
                    }
                    local.extend_from_slice(text);
                }
                _ => return Err(Fault::BadLocal),
            }
        }
        if self.joined_by_dots(tokens) { Ok(local) } else { Err(Fault::BadLocal) }
    }

    fn domain(&self, tokens: &[Token]) -> Result<Vec<u8>, Fault> {
        let is_good = match tokens {
            [] => false,
            [one] if one.kind == Kind::Literal => true,
            _ => tokens.iter().all(|token| token.kind == Kind::Atom) && self.joined_by_dots(tokens),
        };
        if !is_good {
            return Err(Fault::BadDomain);
        }
        Ok(tokens.iter().flat_map(|token| self.text[token.at.clone()].iter().copied()).collect())
    }

    /// Whether there is a dot between each token and the next.
    fn joined_by_dots(&self, tokens: &[Token]) -> bool {
        tokens.windows(2).all(|pair| {
            let (left, right) = (&self.text[pair[0].at.clone()], &self.text[pair[1].at.clone()]);
            (pair[0].kind == Kind::Atom && left.ends_with(b".")) || (pair[1].kind == Kind::Atom && right[0] == b'.')
        })
    }

    /// Where the item ends that has something at `at`, for an error.
    fn item_end(&self, at: usize) -> usize {
        memchr::memchr(b',', &self.text[at..]).map_or(self.text.len(), |length| at + length)
    }

    fn error(&self, end: usize, fault: Fault) -> AddressError {
        AddressError::new(&self.text[self.start.min(end)..end], fault)
    }
}

fn starts_with_include(text: &[u8]) -> bool {
    text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b":include:"))
}

fn is_significant(token: &Token) -> bool {
    !matches!(token.kind, Kind::Blank | Kind::Comment)
}

/// The words of an item: what has no blanks or comments inside, but for those around an `@`.
fn words(item: &[Token]) -> Vec<Vec<Token>> {
    let mut words: Vec<Vec<Token>> = Vec::new();
    let mut is_apart = true;
    for token in item {
        if !is_significant(token) {
            is_apart = true;
            continue;
        }
        let at = Kind::Special(b'@');
        match words.last_mut() {
            Some(word) if !is_apart || token.kind == at || word.last().is_some_and(|last| last.kind == at) => {
                word.push(token.clone());
            }
            _ => words.push(vec![token.clone()]),
        }
        is_apart = false;
    }
    words
}

/// The name in a phrase.
fn name(text: &[u8], phrase: &[Token]) -> Option<String> {
    let mut name = Vec::new();
    for token in phrase {
        let text = &text[token.at.clone()];
        match token.kind {
            Kind::Quoted => name.extend(unquote(text)),
            Kind::Blank => name.push(b' '),
            Kind::Comment => {}
            _ => name.extend(unescape(text)),
        }
    }
    readable(&name)
}

/// The name in the last comment, which is where names stood before phrases.
fn comment(text: &[u8], tokens: &[Token]) -> Option<String> {
    let comment = tokens.iter().rfind(|token| token.kind == Kind::Comment)?;
    readable(&unquote(&text[comment.at.clone()]).collect::<Vec<_>>())
}

fn readable(name: &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(name);
    let mut clean = String::with_capacity(name.len());
    for word in name.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
    }
    (!clean.is_empty()).then_some(clean)
}

/// The content of a quoted string or comment: without what is around it, backslashes and the line ends of folds.
fn unquote(text: &[u8]) -> impl Iterator<Item = u8> {
    unescape(&text[1..text.len() - 1])
}

fn unescape(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut is_escaped = false;
    text.iter().copied().filter(move |octet| match octet {
        b'\\' if !is_escaped => {
            is_escaped = true;
            false
        }
        b'\r' | b'\n' => std::mem::take(&mut is_escaped),
        _ => {
            is_escaped = false;
            true
        }
    })
}
