//! What must be true when a dialogue is over.

use posthaste::address::Address;
use posthaste::deliver::{Outcome, Whose};
use posthaste::failure::{exit_of, failures, what};
use posthaste::smtp::session::Caution;

use super::Player;
use crate::dialogue::Wrong;
use crate::words::in_words;

impl Player<'_> {
    pub(super) fn check_end(&self, recipients: &[Address]) -> Result<(), Wrong> {
        let dialogue = self.dialogue;
        let mut outcomes = Vec::new();
        for (at, recipient) in recipients.iter().enumerate() {
            let name = recipient.as_str();
            let Some(expected) = dialogue.expected(name) else {
                return Err(dialogue.wrong(1, format!("no verdict is expected for {name}")));
            };
            let Some(verdict) = &self.verdicts[at] else {
                if expected.verdict == "unsent" {
                    continue;
                }
                return Err(dialogue.wrong(expected.line, format!("{name} has no verdict")));
            };
            let (word, text) = in_words(verdict);
            if word != expected.verdict || !text.contains(&expected.words) {
                return Err(dialogue.wrong(expected.line, format!("{name} is {word}: {text}")));
            }
            let server = "mx.example.net:25".to_owned();
            outcomes.push(Outcome {
                recipient: recipient.clone(),
                verdict: verdict.clone(),
                server,
                whose: Whose::Own,
                decisions: Default::default(),
            });
        }
        if let Some(unknown) = dialogue.verdicts.iter().find(|expected| {
            expected.recipient != "*" && !recipients.iter().any(|recipient| recipient.as_str() == expected.recipient)
        }) {
            return Err(dialogue.wrong(unknown.line, format!("{} is no recipient", unknown.recipient)));
        }
        self.check_totals(&outcomes)
    }

    fn check_totals(&self, outcomes: &[Outcome]) -> Result<(), Wrong> {
        let dialogue = self.dialogue;
        if let Some(flights) = dialogue.flights.filter(|flights| *flights != self.flights) {
            return Err(dialogue.wrong(1, format!("{} flights, not {flights}", self.flights)));
        }
        if self.unserved != dialogue.unserved {
            return Err(dialogue.wrong(1, format!("unserved are {:?}, not {:?}", self.unserved, dialogue.unserved)));
        }
        let retry = match self.session.retry() {
            Caution::None => "none",
            Caution::Rest => "rest",
            Caution::Helo => "helo",
            Caution::ClearText => "clear-text",
            Caution::Data => "data",
            Caution::Login => "login",
            Caution::Serial => "serial",
        };
        let expected = dialogue.retry.as_deref().unwrap_or("none");
        if retry != expected {
            return Err(dialogue.wrong(1, format!("the next connection has caution {retry}, not {expected}")));
        }
        match (&dialogue.warning, &self.warnings[..]) {
            (None, _) | (Some(None), []) => {}
            (Some(Some(words)), warnings) if warnings.iter().any(|text| text.contains(words)) => {}
            (_, warnings) => return Err(dialogue.wrong(1, format!("the warnings are {warnings:?}"))),
        }
        if let Some(expected) = &dialogue.known {
            let known = crate::setup::known::shown(&self.session.memory());
            if known != *expected {
                return Err(dialogue.wrong(1, format!("known is `{known}`, not `{expected}`")));
            }
        }
        let trouble = self.session.trouble().map(|trouble| what(trouble, "the server"));
        match (&dialogue.trouble, &trouble) {
            (None, _) | (Some(None), None) => {}
            (Some(Some(words)), Some(text)) if text.contains(words) => {}
            _ => return Err(dialogue.wrong(1, format!("the trouble is {trouble:?}"))),
        }
        if let Some(words) = &dialogue.hint {
            let hints: Vec<String> = failures(outcomes).into_iter().filter_map(|failure| failure.hint).collect();
            if !hints.iter().any(|hint| hint.contains(words)) {
                return Err(dialogue.wrong(1, format!("the hints are {hints:?}")));
            }
        }
        let exit = exit_of(outcomes);
        if dialogue.exits().is_some_and(|exits| !exits.contains(&exit.code())) {
            return Err(dialogue.wrong(1, format!("the exit code is {} ({exit:?})", exit.code())));
        }
        Ok(())
    }
}
