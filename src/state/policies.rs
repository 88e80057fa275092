//! MTA-STS policies (RFC 8461) that are kept between runs: a file with a line for each domain, and one for each whose policy
//! could not be fetched a short time ago. What they mean is not known here.
//!
//! ```text
//! policy DOMAIN ID SECONDS TEXT
//! failed DOMAIN ID SECONDS WHAT
//! ```

use std::fmt;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, flock};

use super::place;
use super::word::{decoded, encoded};

/// The file with the policies.
#[derive(Clone, Debug)]
pub struct Policies {
    path: PathBuf,
}

/// What is kept of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The policy that was fetched last.
    pub policy: Option<Fetched>,
    /// The last attempt to fetch one, where that failed and none was fetched since.
    pub failed: Option<Failed>,
}

/// A policy as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What the domain calls it.
    pub id: String,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The policy.
    pub text: String,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What the domain calls its policy.
    pub id: String,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What was wrong.
    pub what: Wrong,
}

/// What was wrong with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There was no answer, or none that counts.
    Answer,
    /// The server's certificate is no good.
    Certificate,
    /// The text is no policy.
    Text,
}

const WRONG: [(&str, Wrong); 3] =
    [("answer", Wrong::Answer), ("certificate", Wrong::Certificate), ("text", Wrong::Text)];

/// Most domains whose policies are kept; the one that was fetched first goes first.
pub const DOMAINS: usize = 500;
/// Most domains whose policies are long: each is as large as a hundred others.
pub const LONG_ONES: usize = 16;
/// Octets of a policy that is not long; it has about a hundred hosts.
const LONG: usize = 4096;
/// A longer policy is not kept. None is fetched that has more than 64 KiB, without the blanks between keys and values.
pub const LONGEST_TEXT: usize = 72 * 1024;
/// A file with more octets is not ours.
const LARGEST: u64 = 4 * 1024 * 1024;
/// A domain or an id of more octets is none.
const LONGEST_WORD: usize = 255;
/// No policy holds longer than a year, in seconds.
const YEAR: u64 = 366 * 24 * 60 * 60;
/// A failure is of no interest after a day.
const DAY: u64 = 24 * 60 * 60;
/// The first line, for whoever finds the file.
const HEAD: &str = "# What domains ask of those who send to them (MTA-STS). This file can be deleted, at some risk.\n";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Policy(String, Fetched),
    Failed(String, Failed),
}

impl Policies {
    /// The file beside that with what is remembered of servers; it need not be there.
    pub fn beside(state_file: &Path) -> Self {
        let mut name = state_file.file_name().unwrap_or_default().to_owned();
        name.push(".mta-sts");
        Policies { path: state_file.with_file_name(name) }
    }

    /// What is kept of a domain.
    pub fn recall(&self, domain: &str) -> Kept {
        let mut kept = Kept::default();
        let word = encoded(domain);
        let text = place::read(CWD, &self.path, LARGEST).unwrap_or_default();
        let own = text.lines().filter(|line| line.split(' ').nth(1) == Some(&word));
        for line in own.filter_map(Line::parse) {
            match line {
                Line::Policy(_, fetched) => kept.policy = Some(fetched),
                Line::Failed(_, failed) => kept.failed = Some(failed),
            }
        }
        kept
    }

    /// Keeps a policy in the place of an older one, at a time in seconds since 1970. Where that cannot be, nothing happens.
    pub fn keep(&self, domain: &str, policy: Fetched, now: u64) {
        if policy.text.len() <= LONGEST_TEXT {
            self.write(domain, now, |lines| {
                lines.retain(|line| line.domain() != domain);
                lines.push(Line::Policy(domain.to_owned(), policy));
            });
        }
    }

    /// Keeps in mind that a policy could not be fetched. An older policy stays.
    pub fn fail(&self, domain: &str, failed: Failed, now: u64) {
        self.write(domain, now, |lines| {
            lines.retain(|line| !matches!(line, Line::Failed(other, _) if other == domain));
            lines.push(Line::Failed(domain.to_owned(), failed));
        });
    }

    fn write(&self, domain: &str, now: u64, change: impl FnOnce(&mut Vec<Line>)) -> Option<()> {
        if domain.is_empty() || domain.len() > LONGEST_WORD {
            return None;
        }
        let name = self.path.file_name()?;
        let directory = place::directory(self.path.parent()?)?;
        // Whoever has the lock writes soon; ours is fetched again another time.
        flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
        let text = place::read(directory.as_fd(), Path::new(name), LARGEST).unwrap_or_default();
        let mut lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
        lines.retain(|line| now.saturating_sub(line.at()) <= line.life());
        change(&mut lines);
        // The sort is stable, so that of one second those that were written last are kept.
        lines.sort_by_key(Line::at);
        let (mut policies, mut failures): (Vec<Line>, Vec<Line>) =
            lines.into_iter().partition(|line| matches!(line, Line::Policy(..)));
        let mut surplus = policies.iter().filter(|line| line.is_long()).count().saturating_sub(LONG_ONES);
        policies.retain(|line| {
            let goes = surplus > 0 && line.is_long();
            surplus -= usize::from(goes);
            !goes
        });
        for some in [&mut policies, &mut failures] {
            some.drain(..some.len().saturating_sub(DOMAINS));
        }
        let text: String = policies.iter().chain(&failures).map(Line::to_string).collect();
        place::replace(&directory, name, &format!("{HEAD}{text}"))
    }
}

impl Line {
    /// Reads a line; `None` where it is none of ours.
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').take(6).collect();
        let (kind, domain, id, at, rest) = match words[..] {
            [kind @ ("policy" | "failed"), domain, id, at, rest] => (kind, domain, id, at, rest),
            _ => return None,
        };
        let (domain, id) = (decoded(domain, LONGEST_WORD)?, decoded(id, LONGEST_WORD)?);
        let at = at.parse().ok()?;
        Some(match kind {
            "policy" => Line::Policy(domain, Fetched { id, at, text: decoded(rest, LONGEST_TEXT)? }),
            _ => {
                let what = WRONG.iter().find(|(word, _)| *word == rest).map(|(_, what)| *what)?;
                Line::Failed(domain, Failed { id, at, what })
            }
        })
    }

    fn domain(&self) -> &str {
        match self {
            Line::Policy(domain, _) | Line::Failed(domain, _) => domain,
        }
    }

    fn at(&self) -> u64 {
        match self {
            Line::Policy(_, Fetched { at, .. }) | Line::Failed(_, Failed { at, .. }) => *at,
        }
    }

    fn is_long(&self) -> bool {
        matches!(self, Line::Policy(_, Fetched { text, .. }) if text.len() > LONG)
    }

    fn life(&self) -> u64 {
        match self {
            Line::Policy(..) => YEAR,
            Line::Failed(..) => DAY,
        }
    }
}

/// With its line end.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Policy(domain, Fetched { id, at, text }) => {
                writeln!(f, "policy {} {} {at} {}", encoded(domain), encoded(id), encoded(text))
            }
            Line::Failed(domain, Failed { id, at, what }) => {
                let what = WRONG.iter().find(|(_, known)| known == what).map_or("", |(word, _)| *word);
                writeln!(f, "failed {} {} {at} {what}", encoded(domain), encoded(id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_line_of_ours_is_passed_over() {
        for right in [
            "policy a.test 2026 1700000000 version:%20STSv1%0a",
            "failed a.test 2026 1700000000 answer",
            "failed a.test 2026 1700000000 certificate",
            "failed a.test 2026 1700000000 text",
        ] {
            let read = Line::parse(right).unwrap();
            assert_eq!(read.to_string(), format!("{right}\n"));
        }
        for text in [
            "",
            "policy",
            "policy a.test 2026 1700000000",
            "policy a.test 2026 soon x",
            "policy a.test 2026 -1 x",
            "policy a.test 2026 1 %zz",
            "policy a.test 2026 1 %ff",
            "policy a.test 2026 1 x y",
            "policy  2026 1 x",
            "policy a.test 2026 1 %+1",
            "failed a.test 2026 1",
            "failed a.test 2026 1 x",
            "failed a.test 2026 1 text text",
            "other a.test 2026 1 x",
            "# policy a.test 2026 1 x",
        ] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
        assert_eq!(Line::parse(&format!("policy a.test 2026 1 {}", "x".repeat(LONGEST_TEXT + 1))), None);
    }
}
