//! What a setting is: one line of the table in `schema.rs`.

use std::fmt;

use super::settings::{Input, Mistake, Settings};
use super::value;

/// One setting as the user knows it.
pub struct Key {
    /// Its name in the file. In the environment it is `POSTHASTE_` and the name in upper case, with `_` for `-`.
    pub name: &'static str,
    /// What kind of value it has.
    pub form: Form,
    /// What holds when it is not set, in words.
    pub default: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// A value as it stands in the file.
    pub example: &'static str,
    /// How it gets into the settings.
    pub(super) store: fn(&mut Settings, &Input<'_>) -> Result<(), Mistake>,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// A text, or a list of texts. In the environment the list has commas or blanks.
    Texts,
    /// A path; `~/` is the home directory, and a relative path begins at the directory of the file.
    Path,
    /// A path, or a list of paths, which have no commas or blanks in the environment.
    Paths,
    /// A whole number with `ms`, `s`, `m` or `h`.
    Duration,
    /// A whole number, alone or with `K`, `M` or `G`.
    Size,
    /// A whole number.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Key {
    /// The name in the environment.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    pub(super) fn store(&self, settings: &mut Settings, input: &Input<'_>) -> Result<(), Mistake> {
        (self.store)(settings, input)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Text => "a text in quotes",
            Form::Texts => "a text in quotes, or a list of such",
            Form::Path => "a path in quotes",
            Form::Paths => "a path in quotes, or a list of such",
            Form::Duration => "a duration in quotes",
            Form::Size => "a size",
            Form::Number => "a whole number without quotes",
            Form::Word(words) => return write!(f, "one of {}", value::list(words.iter().copied())),
        })
    }
}

/// What the names of all variables begin with.
pub(super) const PREFIX: &str = "POSTHASTE_";
