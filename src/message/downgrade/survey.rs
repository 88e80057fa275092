//! The first pass: what each entity of a message needs.

use super::entity::{Clarity, Entity, Kind, Label, Standing, is_binary};
use super::lines::Purity;
use super::walk::{Event, Parts, Visit};
use super::{Dkim, DowngradeError, Goal, Refusal};
use crate::message::charset::{Charset, Utf8};
use crate::message::tally::LINE_LIMIT;

/// What becomes of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Keep,
    /// It is ASCII, and is called so from now on.
    SevenBit,
    /// Its lines are short enough, and it is not `binary`.
    EightBit,
    /// It is encoded, and called this where nothing says what it is.
    QuotedPrintable(Charset),
    Base64,
}

/// See the module.
pub(super) struct Survey {
    goal: Goal,
    plans: Vec<Plan>,
    place: Place,
    found: Found,
    dkim: Dkim,
}

/// What the present text is.
enum Place {
    /// The content of a leaf, whose plan is the last one.
    Leaf { kind: Kind, label: Label, within: Option<Refusal> },
    /// What stands before the first part of a multipart.
    Preamble { within: Option<Refusal> },
    /// What stands behind the last one.
    Epilogue { within: Option<Refusal> },
}

/// What the text in work was found to have.
#[derive(Default)]
struct Found {
    eight_bit: bool,
    long_line: bool,
    mended: bool,
    cut: bool,
    utf8: Utf8,
    /// Octets of the present line.
    length: u64,
}

impl Survey {
    pub(super) fn new(goal: Goal) -> Self {
        let place = Place::Preamble { within: None };
        Survey { goal, plans: Vec::new(), place, found: Found::default(), dkim: Dkim::None }
    }

    /// The plans in the order of the entities.
    pub(super) fn finish(self) -> (Vec<Plan>, Dkim) {
        (self.plans, self.dkim)
    }

    /// Whether nothing that is to come matters.
    pub(super) fn knows_enough(&self) -> bool {
        self.goal.is_message_header() && !self.plans.is_empty()
    }

    fn header(&mut self, entity: &Entity) -> Result<(), DowngradeError> {
        if entity.standing == Standing::Message && entity.has("DKIM-Signature") {
            self.dkim = Dkim::Broken;
        }
        if self.goal.is_against(&entity.raw) {
            match (&entity.around, entity.clarity) {
                (Some(refusal), _) => return Err(refusal.clone().into()),
                (None, Clarity::Unclear) => {
                    return Err(Refusal::Unclear("a header has lines that are no fields").into());
                }
                (None, Clarity::Clear) => {}
            }
        }
        let within = entity.within.clone();
        self.found = Found::default();
        self.plans.push(composite_plan(entity, self.goal));
        self.place = match &entity.kind {
            Kind::Multipart { .. } => Place::Preamble { within },
            Kind::Message => Place::Epilogue { within },
            kind => Place::Leaf { kind: kind.clone(), label: entity.label.clone(), within },
        };
        Ok(())
    }

    fn text(&mut self, octets: &[u8], purity: Purity) {
        let found = &mut self.found;
        found.length += octets.len() as u64;
        found.long_line |= found.length > LINE_LIMIT;
        found.mended |= purity != Purity::Pure;
        found.cut |= purity == Purity::Cut;
        if !octets.is_ascii() || found.utf8.is_open() {
            found.eight_bit = true;
            found.utf8.push(octets);
        }
    }

    fn line_end(&mut self) {
        if self.found.utf8.is_open() {
            self.found.utf8.push(b"\n");
        }
        self.found.length = 0;
    }

    fn needs_encoding(&self) -> bool {
        match self.goal {
            Goal::SevenBit => self.found.eight_bit,
            Goal::Header(..) | Goal::Lines => false,
            Goal::ShortLines => self.found.long_line,
        }
    }

    /// The text before this place has ended.
    fn end_text(&mut self, parts: Option<Parts>) -> Result<(), DowngradeError> {
        let needed = self.needs_encoding();
        match &self.place {
            Place::Leaf { within: Some(refusal), .. }
            | Place::Preamble { within: Some(refusal) }
            | Place::Epilogue { within: Some(refusal) }
                if needed =>
            {
                Err(refusal.clone().into())
            }
            // Readers show it where they find no parts.
            Place::Preamble { .. } if needed && matches!(parts, None | Some(Parts::Never)) => {
                Err(Refusal::Unclear("a multipart has no parts").into())
            }
            Place::Preamble { .. } | Place::Epilogue { .. } => Ok(()),
            Place::Leaf { kind, label, within } => {
                let is_free = within.is_none() && !matches!(kind, Kind::Fixed(_)) && !self.found.long_line;
                let plan = match (self.goal, label) {
                    (Goal::SevenBit | Goal::Lines, Label::Binary) if is_binary(kind, label) => match within {
                        None => Plan::Base64,
                        Some(refusal) if self.found.mended => return Err(refusal.clone().into()),
                        Some(_) => Plan::Keep,
                    },
                    (Goal::Lines, Label::Binary) if self.found.cut => {
                        let own = if let Kind::Fixed(refusal) = kind { refusal.clone() } else { Refusal::Nul };
                        return Err(within.clone().unwrap_or(own).into());
                    }
                    _ if needed => self.encoding(kind, label)?,
                    (Goal::SevenBit, Label::EightBit | Label::Binary) if is_free => Plan::SevenBit,
                    (Goal::Lines, Label::Binary) if is_free => Plan::EightBit,
                    _ => Plan::Keep,
                };
                if let Some(last) = self.plans.last_mut() {
                    *last = plan;
                }
                Ok(())
            }
        }
    }

    /// How a leaf is encoded.
    fn encoding(&self, kind: &Kind, label: &Label) -> Result<Plan, Refusal> {
        if let (Label::Encoded(name), Kind::Unlabelled | Kind::Text | Kind::Other(_)) = (label, kind) {
            return Err(Refusal::Encoded(name.clone()));
        }
        match kind {
            Kind::Unlabelled | Kind::Text => Ok(Plan::QuotedPrintable(self.found.utf8.charset(self.found.eight_bit))),
            Kind::Other(name) if self.goal == Goal::ShortLines => Err(Refusal::LongLines(name.clone())),
            Kind::Other(name) if self.found.mended => Err(Refusal::Binary(name.clone())),
            Kind::Other(_) => Ok(Plan::Base64),
            Kind::Fixed(refusal) => Err(refusal.clone()),
            Kind::Multipart { .. } | Kind::Message => Ok(Plan::Keep),
        }
    }
}

/// The label of what has parts follows them. That of something signed stands outside of the signature, but is of no use
/// to anybody there.
fn composite_plan(entity: &Entity, goal: Goal) -> Plan {
    let is_composite = matches!(entity.kind, Kind::Multipart { .. } | Kind::Message);
    match goal {
        _ if !is_composite || entity.within.is_some() => Plan::Keep,
        _ if !matches!(entity.label, Label::EightBit | Label::Binary) => Plan::Keep,
        Goal::Lines if entity.label == Label::EightBit => Plan::Keep,
        Goal::SevenBit => Plan::SevenBit,
        Goal::Header(..) => Plan::Keep,
        Goal::ShortLines | Goal::Lines => Plan::EightBit,
    }
}

impl Visit for Survey {
    fn visit(&mut self, event: Event<'_>) -> Result<(), DowngradeError> {
        match event {
            Event::Header(entity) => return self.header(entity),
            Event::Text(octets, purity) => self.text(octets, purity),
            Event::LineEnd(_) | Event::Break(_) | Event::Closing => self.line_end(),
            Event::Delimiter { parts, guard, .. } => {
                self.end_text(Some(parts))?;
                self.place = Place::Epilogue { within: guard.cloned() };
                self.found = Found::default();
            }
            Event::Unclosed(_) => {}
            Event::End => self.end_text(None)?,
        }
        Ok(())
    }
}
