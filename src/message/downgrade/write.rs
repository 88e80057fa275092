//! The second pass: the message by its plans.

use super::entity::{Blank, Entity, Kind, Standing};
use super::lines::{PIECE, Purity};
use super::survey::Plan;
use super::walk::{Event, Visit};
use super::{Dkim, DowngradeError, Goal, Reencoded, field};
use crate::message::body::Body;
use crate::message::charset::UNKNOWN;
use crate::message::header::Field;
use crate::message::spool::Spool;
use crate::message::tally::{LINE_LIMIT, Tally};
use crate::message::{Facts, HeaderText, Message, base64, edit, quoted_printable};
use std::io::{self, Write};

/// See the module.
pub(super) struct Writer {
    goal: Goal,
    plans: std::vec::IntoIter<Plan>,
    dkim: Dkim,
    /// The charset that the message, or the one in work in it, is said to have.
    charset: Option<String>,
    /// The header of the message; `None` before it was written.
    head: Option<Vec<u8>>,
    sink: Sink,
    /// What was written of the headers of parts is this.
    part_headers: HeaderText,
    /// What was written and is not in the spool yet.
    out: Vec<u8>,
    spool: Spool,
    tally: Tally,
}

/// What becomes of text.
enum Sink {
    Raw,
    QuotedPrintable(quoted_printable::Encoder),
    Base64(base64::Encoder),
    /// The same of octets that are no lines.
    Exact(base64::Encoder),
    /// It has no meaning, and loses what cannot be sent. How many octets the present line has.
    Filler(usize),
}

impl Writer {
    pub(super) fn new(goal: Goal, survey: (Vec<Plan>, Dkim)) -> Self {
        Writer {
            goal,
            plans: survey.0.into_iter(),
            dkim: survey.1,
            charset: None,
            head: None,
            sink: Sink::Raw,
            part_headers: HeaderText::Ascii,
            out: Vec::new(),
            spool: Spool::new(),
            tally: Tally::default(),
        }
    }

    /// Moves what was written to the spool.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.tally.push(&self.out);
        self.spool.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Reencoded, DowngradeError> {
        self.flush()?;
        let body = Body::spooled(self.spool.finish()?);
        let facts = Facts { part_headers: self.part_headers, ..self.tally.finish() };
        let message = Message::new(self.head.unwrap_or_default(), body, facts);
        Ok(Reencoded { message, dkim: self.dkim })
    }

    fn header(&mut self, entity: &Entity) -> Result<(), DowngradeError> {
        // The walk is the same as that of the survey; a file that has changed meanwhile is noticed at its end.
        let plan = self.plans.next().ok_or_else(changed)?;
        if entity.standing == Standing::Message {
            self.charset = entity.charset();
        }
        self.sink = match (&entity.kind, plan) {
            (Kind::Multipart { .. } | Kind::Message, _) => self.filler(entity.within.is_some()),
            (_, Plan::QuotedPrintable(_)) => Sink::QuotedPrintable(quoted_printable::Encoder::default()),
            (_, Plan::Base64) if entity.is_binary() => Sink::Exact(base64::Encoder::default()),
            (_, Plan::Base64) => Sink::Base64(base64::Encoder::default()),
            _ => Sink::Raw,
        };
        let start = self.out.len();
        if entity.around.is_some() {
            self.out.extend_from_slice(&entity.raw);
        } else {
            self.fields(entity, plan)?;
        }
        if self.head.is_some() {
            self.part_headers = self.part_headers.max(HeaderText::of(&self.out[start..]));
        }
        if entity.blank == Blank::Seen || self.head.is_none() {
            self.out.extend_from_slice(b"\r\n");
        }
        if self.head.is_none() {
            self.head = Some(std::mem::take(&mut self.out));
        }
        Ok(())
    }

    fn filler(&self, is_protected: bool) -> Sink {
        if is_protected || self.goal.keeps_content() || self.goal == Goal::Lines { Sink::Raw } else { Sink::Filler(0) }
    }

    fn fields(&mut self, entity: &Entity, plan: Plan) -> Result<(), DowngradeError> {
        let start = entity.fields.first().map_or(entity.raw.len(), |first| first.name.start);
        self.out.extend_from_slice(&entity.raw[..start]);
        let mut encoding = Encoding::Missing;
        for field in &entity.fields {
            match encoding_of(plan) {
                Some(name) if field.is(&entity.raw, "Content-Transfer-Encoding") => {
                    if encoding == Encoding::Missing {
                        write!(self.out, "Content-Transfer-Encoding: {name}\r\n")?;
                    }
                    encoding = Encoding::Written;
                }
                _ => self.field(entity, field)?,
            }
        }
        self.missing(entity, plan, encoding);
        Ok(())
    }

    fn field(&mut self, entity: &Entity, field: &Field) -> Result<(), DowngradeError> {
        let whole = &entity.raw[field.whole()];
        if self.goal.is_against(whole) {
            let name = &entity.raw[field.name.clone()];
            let encoded = field::encode(name, entity.value(field), self.charset.as_deref(), self.goal)?;
            edit::push_folded(&encoded, &mut self.out);
            return Ok(());
        }
        edit::push_folded(whole, &mut self.out);
        Ok(())
    }

    /// The labels that an entity needs and does not have.
    fn missing(&mut self, entity: &Entity, plan: Plan, encoding: Encoding) {
        if self.goal.keeps_content() {
            return;
        }
        let is_composite = matches!(entity.kind, Kind::Multipart { .. });
        if entity.standing == Standing::Message
            && !entity.has("MIME-Version")
            && (is_composite || encoding_of(plan).is_some())
        {
            self.out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        if let (Kind::Unlabelled, Plan::QuotedPrintable(charset)) = (&entity.kind, plan) {
            self.out.extend_from_slice(charset.content_type(UNKNOWN).as_bytes());
        }
        if let (Encoding::Missing, Some(name)) = (encoding, encoding_of(plan)) {
            self.out.extend_from_slice(format!("Content-Transfer-Encoding: {name}\r\n").as_bytes());
        }
    }

    fn text(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Raw => self.out.extend_from_slice(octets),
            Sink::QuotedPrintable(encoder) => encoder.push(octets, &mut self.out),
            Sink::Base64(encoder) | Sink::Exact(encoder) => encoder.push(octets, &mut self.out)?,
            Sink::Filler(column) => fill(octets, self.goal, column, &mut self.out),
        }
        if self.out.len() > FLUSH { self.flush() } else { Ok(()) }
    }

    fn line_end(&mut self, end: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Raw => self.out.extend_from_slice(b"\r\n"),
            Sink::QuotedPrintable(encoder) => encoder.push(b"\n", &mut self.out),
            Sink::Base64(encoder) => encoder.push(b"\r\n", &mut self.out)?,
            Sink::Exact(encoder) => encoder.push(end, &mut self.out)?,
            Sink::Filler(column) => {
                *column = 0;
                self.out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    /// The text ends, and the line with it.
    fn end_text(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.sink, Sink::Raw) {
            Sink::QuotedPrintable(mut encoder) => encoder.finish_open(&mut self.out),
            Sink::Base64(encoder) | Sink::Exact(encoder) => encoder.finish(&mut self.out)?,
            Sink::Raw | Sink::Filler(_) => {}
        }
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl Visit for Writer {
    fn visit(&mut self, event: Event<'_>) -> Result<(), DowngradeError> {
        match event {
            Event::Header(entity) => return self.header(entity),
            Event::Text(octets, purity) => match (&self.sink, purity) {
                // Binary content that stays as it is has none, or was refused.
                (Sink::Exact(_), _) | (_, Purity::Pure) => self.text(octets)?,
                _ => octets.split(|octet| *octet == 0).try_for_each(|text| self.text(text))?,
            },
            Event::LineEnd(end) => self.line_end(end)?,
            Event::Closing | Event::Unclosed(_) if self.goal.keeps_content() => {}
            Event::Break(end) => {
                // Of CRs before the line end, one belongs to it.
                if let (Sink::Exact(_), Some(own)) = (&self.sink, end.strip_suffix(b"\r\n")) {
                    self.line_end(own)?;
                }
                self.end_text()?;
            }
            Event::Closing => self.end_text()?,
            Event::Delimiter { line, guard, .. } => {
                self.sink = self.filler(guard.is_some());
                self.out.extend_from_slice(line);
                self.out.extend_from_slice(b"\r\n");
            }
            // Some readers show parts as they are where this is missing, without decoding them.
            Event::Unclosed(boundary) => self.out.extend_from_slice(&[b"--", boundary, b"--\r\n"].concat()),
            // The line end behind the last line was part of the text. Base64 has none of its own.
            Event::End if matches!(self.sink, Sink::Base64(_) | Sink::Exact(_)) => self.end_text()?,
            Event::End => {}
        }
        Ok(())
    }
}

/// Whether the field of the encoding was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Missing,
    Written,
}

fn encoding_of(plan: Plan) -> Option<&'static str> {
    match plan {
        Plan::Keep => None,
        Plan::SevenBit => Some("7bit"),
        Plan::EightBit => Some("8bit"),
        Plan::QuotedPrintable(_) => Some("quoted-printable"),
        Plan::Base64 => Some("base64"),
    }
}

/// Writes what readers ignore (RFC 2046 section 5.1.1). It must not look like a delimiter afterwards.
fn fill(octets: &[u8], goal: Goal, column: &mut usize, out: &mut Vec<u8>) {
    let stays = goal != Goal::SevenBit || octets.is_ascii();
    for octet in octets {
        if *column == LINE_LIMIT as usize {
            out.extend_from_slice(b"\r\n ");
            *column = 1;
        }
        out.push(match octet {
            b'-' if *column == 0 && !stays => b'?',
            128.. if !stays => b'?',
            _ => *octet,
        });
        *column += 1;
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the message was changed while it was re-encoded")
}

/// Lines are gathered to so many octets.
const FLUSH: usize = 16 * PIECE;
