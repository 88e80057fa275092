//! The lines of a message and their ends, in constant memory.

use super::DowngradeError;
use memchr::memchr3;

/// A line, or a piece of a long one, as it stands in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// With NULs, without the line end.
    pub(super) octets: &'a [u8],
    pub(super) place: Place,
    pub(super) purity: Purity,
    /// The octets that end the line; none where it goes on, or where the message ends without a line end.
    pub(super) end: &'a [u8],
}

/// Where in its line a piece stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Whole,
    First,
    Middle,
    Last,
}

impl Place {
    pub(super) fn begins(self) -> bool {
        matches!(self, Place::Whole | Place::First)
    }

    pub(super) fn ends(self) -> bool {
        matches!(self, Place::Whole | Place::Last)
    }
}

/// Whether octets are lost in what SMTP makes of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purity {
    #[default]
    Pure,
    /// A NUL has to be dropped, or a CR was taken for a line end.
    Mended,
    /// NULs were dropped.
    Cut,
}

/// Takes lines.
pub(super) trait Take {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), DowngradeError>;
}

/// Splits octets that come in blocks with any line ends, as `smtp::framing` does: CRLF, LF and CR each end a line, CRs
/// directly before an LF go with it, and NULs count for nothing; but they are left to whoever takes the lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What is known of the present line, or of a piece of it.
    line: Vec<u8>,
    begun: Begun,
    /// CRs whose meaning the next octet decides, and NULs behind them.
    run: Vec<u8>,
    purity: Purity,
}

/// Whether a piece of the present line was given away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begun {
    #[default]
    No,
    Yes,
}

impl Lines {
    pub(super) fn push(&mut self, block: &[u8], to: &mut impl Take) -> Result<(), DowngradeError> {
        let mut at = 0;
        while at < block.len() {
            let end = memchr3(b'\n', b'\r', 0, &block[at..]).map_or(block.len(), |length| at + length);
            if end > at {
                self.end_lines(to)?;
                self.text(&block[at..end], to)?;
                at = end;
                continue;
            }
            match block[at] {
                b'\n' => {
                    self.run.push(b'\n');
                    self.end_line(self.run.len(), to)?;
                }
                b'\r' => self.run.push(b'\r'),
                _ => {
                    self.purity = Purity::Mended;
                    match self.run.is_empty() {
                        true => self.text(&[0], to)?,
                        false => self.run.push(0),
                    }
                }
            }
            if self.run.len() > RUN {
                self.end_lines(to)?;
            }
            at += 1;
        }
        Ok(())
    }

    /// Ends the last line.
    pub(super) fn finish(mut self, to: &mut impl Take) -> Result<(), DowngradeError> {
        self.end_lines(to)?;
        if !self.line.is_empty() || self.begun == Begun::Yes { self.end_line(0, to) } else { Ok(()) }
    }

    fn text(&mut self, text: &[u8], to: &mut impl Take) -> Result<(), DowngradeError> {
        self.line.extend_from_slice(text);
        if self.line.len() > PIECE {
            let place = if self.begun == Begun::Yes { Place::Middle } else { Place::First };
            to.take(Piece { octets: &self.line, place, purity: self.purity, end: b"" })?;
            self.begun = Begun::Yes;
            self.line.clear();
        }
        Ok(())
    }

    /// CRs that turned out to be line ends of their own.
    fn end_lines(&mut self, to: &mut impl Take) -> Result<(), DowngradeError> {
        while !self.run.is_empty() {
            self.purity = Purity::Mended;
            let length = self.run.iter().skip(1).take_while(|octet| **octet != b'\r').count() + 1;
            self.end_line(length, to)?;
        }
        Ok(())
    }

    /// Ends a line by so many octets of the run.
    fn end_line(&mut self, length: usize, to: &mut impl Take) -> Result<(), DowngradeError> {
        let place = if self.begun == Begun::Yes { Place::Last } else { Place::Whole };
        to.take(Piece { octets: &self.line, place, purity: self.purity, end: &self.run[..length] })?;
        self.run.drain(..length);
        self.begun = Begun::No;
        self.purity = Purity::Pure;
        self.line.clear();
        Ok(())
    }
}

/// So many CRs and NULs may wait for what follows them.
const RUN: usize = 4096;

/// A longer line is given away in pieces of at least so many octets. No delimiter is longer.
pub(super) const PIECE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lines, the present one, and all octets.
    #[derive(Default)]
    struct Taken(Vec<(Vec<u8>, Purity)>, Vec<u8>, Vec<u8>);

    impl Take for Taken {
        fn take(&mut self, piece: Piece<'_>) -> Result<(), DowngradeError> {
            assert_eq!(self.1.is_empty(), piece.place.begins());
            self.2.extend_from_slice(piece.octets);
            self.2.extend_from_slice(piece.end);
            let is_end = piece.octets.iter().all(|octet| *octet == 0) && piece.end.is_empty();
            if is_end && piece.place == Place::Whole {
                return Ok(());
            }
            self.1.extend(piece.octets.iter().filter(|octet| **octet != 0));
            if piece.place.ends() {
                self.0.push((std::mem::take(&mut self.1), piece.purity));
            }
            Ok(())
        }
    }

    fn lines(text: &[u8], block: usize) -> Vec<(Vec<u8>, Purity)> {
        let (mut lines, mut taken) = (Lines::default(), Taken::default());
        text.chunks(block.max(1)).for_each(|block| lines.push(block, &mut taken).unwrap());
        lines.finish(&mut taken).unwrap();
        assert_eq!(taken.2, text, "no octet is lost");
        taken.0
    }

    #[test]
    fn lines_end_where_they_end_on_the_wire() {
        use Purity::{Mended, Pure};
        for (text, expected) in [
            (&b""[..], &[][..]),
            (b"a\nb", &[("a", Pure), ("b", Pure)]),
            (b"a\r\n\r\nb\r\r\n", &[("a", Pure), ("", Pure), ("b", Pure)]),
            (b"a\rb\0c\nd\r", &[("a", Mended), ("bc", Mended), ("d", Mended)]),
            (b"\r\r\n\0", &[("", Pure)]),
            (b"a\r\0\nb", &[("a", Mended), ("b", Pure)]),
            (b"\0\r\0\ra\0", &[("", Mended), ("", Mended), ("a", Mended)]),
        ] {
            for block in 1..5 {
                let found = lines(text, block);
                let found: Vec<_> = found.iter().map(|(line, is)| (std::str::from_utf8(line).unwrap(), *is)).collect();
                assert_eq!(found, expected, "{}", text.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn blocks_make_no_difference(
            text in prop::collection::vec(prop_oneof![
                prop::sample::select(vec!["\r", "\n", "\0", "a", "\r\n"]).prop_map(str::to_owned),
                (PIECE - 2..2 * PIECE + 3).prop_map(|length| "x".repeat(length)),
            ], 0..12),
            block in 1usize..9000,
        ) {
            let text = text.concat();
            let found = lines(text.as_bytes(), block);
            let tally = { let mut tally = crate::message::tally::Tally::default(); tally.push(text.as_bytes()); tally.finish() };
            prop_assert_eq!(found.iter().map(|(line, _)| line.len() as u64 + 2).sum::<u64>(), tally.size);
            prop_assert_eq!(found, lines(text.as_bytes(), text.len()));
        }
    }
}
