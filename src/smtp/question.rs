//! Questions to a server, which need no transaction: VRFY, EXPN, HELP and ETRN (RFC 5321 section 3.5, RFC 1985).

use super::core::{Awaited, Core};
use super::outcome::{Cause, Trouble};
use super::reply::Reply;
use super::session::State;
use super::stage::Stage;

/// One question: a verb, and what it is asked about. The text holds no control character and is at most
/// [`LONGEST`] octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    verb: Verb,
    about: String,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// VRFY: who that is.
    Verify,
    /// EXPN: who is on that list.
    Expand,
    /// ETRN: that the server send what it keeps for that host.
    StartQueue,
    /// HELP: what the server says of itself, or of a command.
    Help,
}

/// Most octets of a text that is asked about; with the verb and SMTPUTF8 it fits a command line.
pub const LONGEST: usize = 480;

/// The text cannot be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing to ask, or it holds a control character or more than {LONGEST} octets")]
pub struct Unaskable;

impl Question {
    /// A question about a text; only [`Verb::Help`] may have an empty one.
    ///
    /// # Errors
    /// [`Unaskable`] where the text cannot stand in a command.
    pub fn new(verb: Verb, about: &str) -> Result<Self, Unaskable> {
        let about = about.trim();
        let is_empty = about.is_empty() && verb != Verb::Help;
        if is_empty || about.len() > LONGEST || about.chars().any(char::is_control) {
            return Err(Unaskable);
        }
        Ok(Question { verb, about: about.to_owned() })
    }

    /// What is asked.
    pub fn verb(&self) -> Verb {
        self.verb
    }
}

impl Verb {
    /// The command.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Verify => "VRFY",
            Verb::Expand => "EXPN",
            Verb::StartQueue => "ETRN",
            Verb::Help => "HELP",
        }
    }
}

/// Asks the next question, one at a time: ETRN must be the last of a group, and the answers to others may be long.
pub(super) fn next(core: &mut Core) -> State {
    let Some(Question { verb, about }) = core.questions.pop_front() else { return core.quit() };
    // With it, the answer may hold UTF-8 too (RFC 6531 section 3.7.4.2).
    let utf8 = core.capabilities.smtp_utf8 && matches!(verb, Verb::Verify | Verb::Expand);
    if !about.is_ascii() && !utf8 {
        return core.give_up(Trouble { stage: Stage::Question, cause: Cause::Utf8Address });
    }
    let mut line = format!("{} {about}", verb.word()).trim_end().to_owned();
    if utf8 {
        line.push_str(" SMTPUTF8");
    }
    core.send(&line, Awaited::Answer);
    State::Asking
}

pub(super) fn on_reply(reply: Reply, core: &mut Core) -> State {
    core.answers.push(reply);
    next(core)
}
