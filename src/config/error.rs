//! What can be wrong with the configuration, with the place where it stands.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::excerpt::Excerpt;

/// Why there is no account to use.
///
/// `Display` gives one line, [`ConfigError::report`] the lines that a person wants to see. Neither ever shows a
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Box<Inner>);

/// The kinds of [`ConfigError`], as far as a caller treats them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no configuration at all, in any of the places.
    Missing,
    /// There is a file, and this user may not read it.
    Unreadable,
    /// A file can be read or written by people who must not, or belongs to one of them.
    Exposed,
    /// What stands in a file or in the environment is wrong.
    Invalid,
    /// No account has the name that was asked for, or none could be chosen.
    NoAccount,
}

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: Kind,
    message: String,
    place: Place,
    help: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Nowhere,
    File(PathBuf),
    Line(PathBuf, Excerpt),
}

impl ConfigError {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        ConfigError(Box::new(Inner { kind, message: message.into(), place: Place::Nowhere, help: None }))
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Tells which file it is about, and no line of it.
    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.0.place = Place::File(path.to_owned());
        self
    }

    /// Tells where in a file it is. Of the text it keeps one line, with whatever may be a secret left out.
    pub(super) fn at(mut self, path: &Path, text: &str, span: Range<usize>) -> Self {
        self.0.place = Place::Line(path.to_owned(), Excerpt::new(text, span));
        self
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it, in sentences.
    pub fn hint(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The file that it is about.
    pub fn file(&self) -> Option<&Path> {
        match &self.0.place {
            Place::Nowhere => None,
            Place::File(path) | Place::Line(path, _) => Some(path),
        }
    }

    /// Line and column of the place, counted from 1; the column in characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        match &self.0.place {
            Place::Line(_, excerpt) => Some((excerpt.line(), excerpt.column())),
            _ => None,
        }
    }

    /// The lines for a person: message, place, the line itself with a mark below, and the hint. Plain text without
    /// a line end at its end.
    pub fn report(&self) -> String {
        let path = self.file().map(|path| path.display().to_string());
        let mut group = match &self.0.place {
            Place::Nowhere => Level::ERROR.no_name().primary_title(self.message()).elements(None::<Origin<'_>>),
            Place::File(_) => {
                Level::ERROR.no_name().primary_title(self.message()).element(Origin::path(path.unwrap_or_default()))
            }
            Place::Line(_, excerpt) => Level::ERROR.no_name().primary_title(self.message()).element(
                Snippet::source(excerpt.text())
                    .line_start(excerpt.line())
                    .path(path)
                    .annotation(AnnotationKind::Primary.span(excerpt.highlight())),
            ),
        };
        if let Some(help) = self.hint() {
            group = group.element(Level::HELP.with_name("hint").message(help));
        }
        Renderer::plain().render(&[group])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.place {
            Place::Nowhere => f.write_str(self.message()),
            Place::File(path) => write!(f, "{}: {}", path.display(), self.message()),
            Place::Line(path, excerpt) => {
                write!(f, "{}:{}:{}: {}", path.display(), excerpt.line(), excerpt.column(), self.message())
            }
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for ConfigError {}
