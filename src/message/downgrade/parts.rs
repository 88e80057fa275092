//! What parts a message has, before anything is known of a server.

use super::entity::Label;
use super::lines::{Lines, Purity};
use super::walk::{Event, Reach, Visit, Walker};
use super::{DowngradeError, HeaderText, More, Source};
use std::io;

/// What is known of the parts of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What the octets of their headers are, and of the headers of messages among them.
    pub headers: HeaderText,
    /// Whether the message or a part of it is called binary and is no text, or text with NULs.
    pub binary: bool,
}

/// Reads a message and looks at the headers of its parts. Where these cannot be told for certain, what was seen before that
/// place counts.
///
/// # Errors
/// When the message cannot be read again.
pub fn look(source: &mut dyn Source) -> io::Result<Parts> {
    let mut parts = Parts::default();
    source.rewind()?;
    let walked = walk(source, Look { of: Of::Message, labelled: false, parts: &mut parts });
    source.rewind()?;
    match walked {
        Ok(()) | Err(DowngradeError::Refused(_)) => Ok(parts),
        Err(DowngradeError::Io(error)) => Err(error),
    }
}

fn walk(source: &mut dyn Source, look: Look<'_>) -> Result<(), DowngradeError> {
    let (mut lines, mut block) = (Lines::default(), Vec::new());
    let mut walker = Walker::new(look, Reach::Parts);
    loop {
        block.clear();
        let more = source.read_block(&mut block)?;
        lines.push(&block, &mut walker)?;
        if more == More::No {
            lines.finish(&mut walker)?;
            return walker.finish().map(drop);
        }
    }
}

struct Look<'a> {
    of: Of,
    /// Whether the present text is called binary.
    labelled: bool,
    parts: &'a mut Parts,
}

/// Whose header comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Message,
    Part,
}

impl Visit for Look<'_> {
    fn visit(&mut self, event: Event<'_>) -> Result<(), DowngradeError> {
        match event {
            Event::Header(entity) => {
                self.parts.binary |= entity.is_binary();
                self.labelled = entity.label == Label::Binary;
                if std::mem::replace(&mut self.of, Of::Part) == Of::Part {
                    self.parts.headers = HeaderText::of(&entity.raw).max(self.parts.headers);
                }
            }
            Event::Text(_, Purity::Cut) => self.parts.binary |= self.labelled,
            Event::Delimiter { .. } => self.labelled = false,
            _ => {}
        }
        Ok(())
    }
}
