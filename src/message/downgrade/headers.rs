//! What the headers of parts are, before anything is known of a server.

use super::lines::Lines;
use super::walk::{Event, Reach, Visit, Walker};
use super::{DowngradeError, HeaderText, More, Source};
use std::io;

/// Reads a message whose body has octets above 127, and tells whether some of them stand in the headers of its parts, or
/// of messages in it. Where these cannot be told for certain, what was seen before that place counts.
///
/// # Errors
/// When the message cannot be read again.
pub fn part_headers(source: &mut dyn Source) -> io::Result<HeaderText> {
    let mut text = HeaderText::Ascii;
    source.rewind()?;
    let walked = walk(source, Headers { of: Of::Message, text: &mut text });
    source.rewind()?;
    match walked {
        Ok(()) | Err(DowngradeError::Refused(_)) => Ok(text),
        Err(DowngradeError::Io(error)) => Err(error),
    }
}

fn walk(source: &mut dyn Source, headers: Headers<'_>) -> Result<(), DowngradeError> {
    let (mut lines, mut block) = (Lines::default(), Vec::new());
    let mut walker = Walker::new(headers, Reach::Parts);
    loop {
        block.clear();
        let more = source.read_block(&mut block)?;
        lines.push(&block, &mut walker)?;
        if *walker.visitor().text == HeaderText::Other {
            return Ok(());
        }
        if more == More::No {
            lines.finish(&mut walker)?;
            return walker.finish().map(drop);
        }
    }
}

struct Headers<'a> {
    of: Of,
    text: &'a mut HeaderText,
}

/// Whose header comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Message,
    Part,
}

impl Visit for Headers<'_> {
    fn visit(&mut self, event: Event<'_>) -> Result<(), DowngradeError> {
        if let Event::Header(entity) = event
            && std::mem::replace(&mut self.of, Of::Part) == Of::Part
        {
            *self.text = HeaderText::of(&entity.raw).max(*self.text);
        }
        Ok(())
    }
}
