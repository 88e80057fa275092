//! The walk over the parts of a message (RFC 2046), line by line. Both passes take it, so they see the same.

use super::entity::{Blank, Default, Entity, Kind, Standing};
use super::lines::{Piece, Place, Purity, Take};
use super::{DowngradeError, Refusal};
use memchr::memchr;

/// What is met on the way.
pub(super) enum Event<'a> {
    /// The header of an entity. Behind it come its content, or what stands before the first part.
    Header(&'a Entity),
    /// Octets of the content, or of what stands before, between and behind parts, without line ends; and without NULs
    /// where the content is lines of text.
    Text(&'a [u8], Purity),
    /// The line end behind them: its octets.
    LineEnd(&'a [u8]),
    /// The line end behind them that belongs to the delimiter which follows.
    Break(&'a [u8]),
    /// A line that separates or ends parts.
    ///
    /// `guard` is what protects the multipart that it belongs to.
    Delimiter { line: &'a [u8], parts: Parts, guard: Option<&'a Refusal> },
    /// Delimiters are missing at the end of the message, and have to be on lines of their own.
    Closing,
    /// A multipart with this boundary ends without a delimiter that says so.
    Unclosed(&'a [u8]),
    /// The end of the message.
    End,
}

/// What a delimiter shows of the parts of a multipart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// It begins one.
    Begin,
    /// It ends the last one; what follows is of no meaning.
    End,
    /// No part of the innermost multipart had begun, and none does.
    Never,
}

/// Meets what is on the way.
pub(super) trait Visit {
    fn visit(&mut self, event: Event<'_>) -> Result<(), DowngradeError>;
}

/// See the module.
pub(super) struct Walker<V> {
    visitor: V,
    /// The multiparts around the present place.
    levels: Vec<Level>,
    state: State,
    /// What protects the present place.
    guard: Option<Refusal>,
    pending: Pending,
    /// The octets of the line end that is pending.
    end: Vec<u8>,
    content: Content,
    /// Messages and multiparts around the present place.
    depth: usize,
    entities: usize,
    reach: Reach,
}

/// How far a walk goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// What stands behind the header of the message is one text, whatever the header says.
    Header,
    Parts,
}

struct Level {
    boundary: Vec<u8>,
    default: Default,
    guard: Option<Refusal>,
    depth: usize,
    begun: Begun,
}

/// Whether a part of a multipart has begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

impl Level {
    /// Whether a closing delimiter would change nothing for who follows the standard, and help others.
    fn may_be_closed(&self) -> bool {
        self.begun == Begun::Yes && self.guard.is_none()
    }
}

enum State {
    /// In a header: its lines so far.
    Header { raw: Vec<u8>, standing: Standing, default: Default },
    /// In the content of a leaf, or before the first part of a multipart.
    Content,
    /// Behind the last part of a multipart with this boundary.
    Epilogue { boundary: Vec<u8> },
}

/// What the present content is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Lines,
    /// Octets that happen to have line ends in them.
    Binary,
}

/// A line end whose meaning depends on what follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    None,
    LineEnd,
}

/// What a line is to the multiparts around.
enum Found {
    Nothing,
    /// A delimiter of the level with this number.
    Delimiter(usize, Mark),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Separates,
    Closes,
}

impl<V: Visit> Walker<V> {
    /// A walk that begins with the header of a message.
    pub(super) fn new(visitor: V, reach: Reach) -> Self {
        let state = State::Header { raw: Vec::new(), standing: Standing::Message, default: Default::Text };
        Walker {
            visitor,
            levels: Vec::new(),
            state,
            guard: None,
            pending: Pending::None,
            end: Vec::new(),
            content: Content::Lines,
            depth: 0,
            entities: 0,
            reach,
        }
    }

    /// Ends the message and gives the visitor back.
    pub(super) fn finish(mut self) -> Result<V, DowngradeError> {
        if let State::Header { .. } = self.state {
            self.header_ends(Blank::Missing)?;
        }
        let pending = self.pending;
        self.settle()?;
        if pending == Pending::LineEnd && self.levels.iter().any(Level::may_be_closed) {
            self.visitor.visit(Event::Closing)?;
        }
        self.close_above(0)?;
        self.visitor.visit(Event::End)?;
        Ok(self.visitor)
    }

    pub(super) fn visitor(&mut self) -> &mut V {
        &mut self.visitor
    }

    /// The line end before is one of the content.
    fn settle(&mut self) -> Result<(), DowngradeError> {
        if std::mem::replace(&mut self.pending, Pending::None) == Pending::LineEnd {
            self.visitor.visit(Event::LineEnd(&self.end))?;
        }
        Ok(())
    }

    /// The line end before belongs to a delimiter.
    fn settle_break(&mut self) -> Result<(), DowngradeError> {
        if std::mem::replace(&mut self.pending, Pending::None) == Pending::LineEnd {
            self.visitor.visit(Event::Break(&self.end))?;
        }
        Ok(())
    }

    /// The multiparts from this number on end here, by the delimiter of one further out or with the message.
    fn close_above(&mut self, number: usize) -> Result<(), DowngradeError> {
        for level in self.levels[number..].iter().rev().filter(|level| level.may_be_closed()) {
            self.visitor.visit(Event::Unclosed(&level.boundary))?;
        }
        Ok(())
    }

    /// Whether a line is a delimiter.
    ///
    /// Some readers compare whole lines, others only so much of a line as the boundary has (RFC 2046 section 5.1.1), and
    /// from the innermost multipart outwards. A line that they see differently is refused.
    fn find(&self, line: &[u8], place: Place) -> Result<Found, Refusal> {
        let Some(behind) = line.strip_prefix(b"--") else { return Ok(Found::Nothing) };
        if let State::Epilogue { boundary } = &self.state
            && behind.strip_prefix(boundary.as_slice()).and_then(|rest| mark(rest, place)) == Some(Mark::Separates)
        {
            return Err(Refusal::Unclear("a delimiter comes again after the last part"));
        }
        let mut found = Found::Nothing;
        for (number, level) in self.levels.iter().enumerate().rev() {
            let Some(rest) = behind.strip_prefix(level.boundary.as_slice()) else { continue };
            match (&found, mark(rest, place)) {
                (Found::Nothing, Some(mark)) => found = Found::Delimiter(number, mark),
                (Found::Delimiter(..), None) => {}
                _ => return Err(Refusal::Unclear("a line may be a delimiter or not")),
            }
        }
        Ok(found)
    }

    fn delimiter(&mut self, number: usize, mark: Mark, line: &[u8]) -> Result<(), DowngradeError> {
        if let State::Header { .. } = self.state {
            self.header_ends(Blank::Missing)?;
        }
        self.settle_break()?;
        let is_before_parts = self.levels.last().is_some_and(|level| level.begun == Begun::No);
        let parts = match mark {
            _ if is_before_parts && (number + 1 < self.levels.len() || mark == Mark::Closes) => Parts::Never,
            Mark::Separates => Parts::Begin,
            Mark::Closes => Parts::End,
        };
        self.close_above(number + 1)?;
        self.levels.truncate(number + 1);
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        level.begun = Begun::Yes;
        self.depth = level.depth;
        self.content = Content::Lines;
        self.guard.clone_from(&level.guard);
        self.state = match mark {
            Mark::Separates => State::Header { raw: Vec::new(), standing: Standing::Part, default: level.default },
            Mark::Closes => State::Epilogue { boundary: level.boundary.clone() },
        };
        if mark == Mark::Closes {
            self.levels.pop();
        }
        self.visitor.visit(Event::Delimiter { line, parts, guard: self.guard.as_ref() })
    }

    fn header_line(&mut self, piece: Piece<'_>) -> Result<(), DowngradeError> {
        let State::Header { raw, .. } = &mut self.state else { return Ok(()) };
        if piece.place == Place::Whole && piece.octets.is_empty() {
            return self.header_ends(Blank::Seen);
        }
        if raw.len() + piece.octets.len() > HEADER_LIMIT {
            return Err(Refusal::LargeHeader.into());
        }
        raw.extend_from_slice(piece.octets);
        if piece.place.ends() {
            raw.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn header_ends(&mut self, blank: Blank) -> Result<(), DowngradeError> {
        let State::Header { raw, standing, default } = std::mem::replace(&mut self.state, State::Content) else {
            return Ok(());
        };
        self.entities += 1;
        if self.entities > ENTITY_LIMIT {
            return Err(Refusal::ManyParts.into());
        }
        let mut entity = Entity::new(raw, standing, default, self.guard.clone(), blank);
        if self.reach == Reach::Header {
            entity.kind = Kind::Unlabelled;
            entity.within = None;
        }
        if let Kind::Multipart { boundary, .. } = &entity.kind
            && self.levels.iter().any(|level| level.boundary == *boundary)
        {
            return Err(Refusal::Unclear("two multiparts, one in the other, have the same boundary").into());
        }
        if matches!(entity.kind, Kind::Multipart { .. } | Kind::Message) {
            self.depth += 1;
            if self.depth > DEPTH_LIMIT {
                entity.kind = Kind::Fixed(Refusal::Deep);
            }
        }
        self.guard.clone_from(&entity.within);
        self.content = if entity.is_binary() { Content::Binary } else { Content::Lines };
        self.visitor.visit(Event::Header(&entity))?;
        match entity.kind {
            Kind::Multipart { boundary, default } => {
                let (guard, depth) = (self.guard.clone(), self.depth);
                self.levels.push(Level { boundary, default, guard, depth, begun: Begun::No });
            }
            Kind::Message if blank == Blank::Seen => {
                self.state = State::Header { raw: Vec::new(), standing: Standing::Message, default: Default::Text };
            }
            _ => {}
        }
        Ok(())
    }
}

/// What stands behind the boundary in a line makes it a delimiter, if it is nothing but blanks.
fn mark(rest: &[u8], place: Place) -> Option<Mark> {
    let end = rest.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(0, |last| last + 1);
    match &rest[..end] {
        _ if place == Place::First => None,
        b"" => Some(Mark::Separates),
        b"--" => Some(Mark::Closes),
        _ => None,
    }
}

impl<V: Visit> Walker<V> {
    /// NULs were dropped, and nothing is left of what they stood in.
    fn cut(&mut self) -> Result<(), DowngradeError> {
        match self.state {
            State::Content => self.visitor.visit(Event::Text(b"", Purity::Cut)),
            State::Header { .. } | State::Epilogue { .. } => Ok(()),
        }
    }
}

impl<V: Visit> Take for Walker<V> {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), DowngradeError> {
        let without_nuls: Vec<u8>;
        let mut piece = piece;
        if piece.purity == Purity::Mended && self.content == Content::Lines && memchr(0, piece.octets).is_some() {
            without_nuls = piece.octets.iter().copied().filter(|octet| *octet != 0).collect();
            piece.octets = &without_nuls;
            piece.purity = Purity::Cut;
            // NULs behind the last line are no line.
            if piece.octets.is_empty() && piece.end.is_empty() && piece.place == Place::Whole {
                return self.cut();
            }
        }
        if piece.place.begins() {
            // A CR in binary content is no line end.
            let is_line = self.content == Content::Lines || self.pending == Pending::None || self.end.ends_with(b"\n");
            if is_line && let Found::Delimiter(number, mark) = self.find(piece.octets, piece.place)? {
                self.delimiter(number, mark, piece.octets)?;
                return Ok(());
            }
            self.settle()?;
        }
        if let State::Header { .. } = self.state {
            return self.header_line(piece);
        }
        self.visitor.visit(Event::Text(piece.octets, piece.purity))?;
        if piece.place.ends() {
            self.pending = Pending::LineEnd;
            self.end.clear();
            self.end.extend_from_slice(piece.end);
        }
        Ok(())
    }
}

/// A larger header of a part is refused. That of the message has as much, and what was added to it.
const HEADER_LIMIT: usize = 2 << 20;

/// Each entity needs an octet in memory.
const ENTITY_LIMIT: usize = 100_000;

/// Parts stand in parts so deep and no deeper.
const DEPTH_LIMIT: usize = 100;
