//! Verdicts, steps and flights in words.

use posthaste::failure::what;
use posthaste::smtp::outcome::Verdict;

use crate::dialogue::Step;

pub fn in_words(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Accepted(reply) => ("accepted", reply.to_string()),
        Verdict::Deferred(trouble) => ("deferred", what(trouble, "the server")),
        Verdict::Failed(trouble) => ("failed", what(trouble, "the server")),
    }
}

pub fn shown(step: Option<&Step>) -> String {
    match step {
        None => "the end of the dialogue".to_owned(),
        Some(Step::Client { shown, .. }) => format!("C: {shown}"),
        Some(Step::Message { size, .. }) => format!("C: [message, {size} octets]"),
        Some(Step::Server { text, .. }) => format!("S: {text}"),
        Some(Step::Event(event)) => format!("-- {event:?}"),
    }
}

/// Lines that are the same on both sides are left out, but for those around a difference.
pub fn diff(wanted: &[String], said: &[String]) -> String {
    let same = wanted.iter().zip(said).take_while(|(a, b)| a == b).count();
    let context = same.saturating_sub(2);
    let mut text = String::new();
    let mut lines = |mark: &str, lines: &[String]| {
        lines.iter().take(8).for_each(|line| text.push_str(&format!("    {mark} {line}\n")));
    };
    lines(" ", &wanted[context..same]);
    lines("-", &wanted[same..]);
    lines("+", &said[same..]);
    text
}
