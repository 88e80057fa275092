//! Why nobody knows.

use std::fmt;

use super::Record;

/// A look-up that brought no answer. It may bring one later: no name is known not to exist by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} records of {domain} cannot be looked up: {}", record.word(), shown(answers))]
pub struct LookupError {
    /// What was asked for.
    pub domain: String,
    /// Which records of it.
    pub record: Record,
    /// Who was asked (`127.0.0.1:53`), and why that was in vain; nobody where it is our own doing.
    pub answers: Vec<(String, Reason)>,
}

/// Why one server brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No answer in time.
    TimedOut,
    /// SERVFAIL: it could not find out, or what it found is forged.
    ServerFailure,
    /// REFUSED: it does not answer us.
    Refused,
    /// Another response code, in words.
    Code(String),
    /// It cannot be reached, in the system's words.
    Unreachable(String),
    /// Its answer cannot be used: what is wrong with it.
    Unusable(String),
}

impl LookupError {
    pub(super) fn unusable(domain: &str, record: Record, why: &str) -> Self {
        let answers = vec![(String::new(), Reason::Unusable(why.to_owned()))];
        LookupError { domain: domain.to_owned(), record, answers }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TimedOut => f.write_str("no answer in time"),
            Reason::ServerFailure => f.write_str("server failure (SERVFAIL)"),
            Reason::Refused => f.write_str("refused (REFUSED)"),
            Reason::Code(words) | Reason::Unreachable(words) | Reason::Unusable(words) => f.write_str(words),
        }
    }
}

fn shown(answers: &[(String, Reason)]) -> String {
    let one = |(server, reason): &(String, Reason)| match server.as_str() {
        "" => reason.to_string(),
        server => format!("{server}: {reason}"),
    };
    answers.iter().map(one).collect::<Vec<_>>().join(", ")
}
