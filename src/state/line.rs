//! One line of the file. What cannot be read is passed over.

use std::fmt;
use std::fmt::Write as _;

use super::Key;
use super::word::{decoded, encoded};
use crate::smtp::memory::{Bdat, EarlyMail, Grouping, Habits, Memory, Offer, StartTls};
use crate::smtp::session::TlsMode;

/// What is remembered of a server, and when it was used last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key: Key,
    /// In days since 1970.
    pub(super) day: u32,
    pub(super) memory: Memory,
}

const TLS: [(&str, TlsMode); 4] = [
    ("implicit", TlsMode::Implicit),
    ("required", TlsMode::Required),
    ("opportunistic", TlsMode::Opportunistic),
    ("none", TlsMode::None),
];
const LOGIN: [(&str, Grouping); 3] =
    [("likely", Grouping::Likely), ("proven", Grouping::Proven), ("never", Grouping::Never)];
const MAIL: [(&str, EarlyMail); 2] = [("refused", EarlyMail::Refused), ("taken", EarlyMail::Taken)];
const BDAT: [(&str, Bdat); 2] = [("taken", Bdat::Taken), ("after-recipients", Bdat::AfterRecipients)];

/// A host or a user of more octets is not remembered.
const LONGEST: usize = 320;

impl Line {
    /// Reads a line; `None` where it is none of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let host = decoded(words.next()?, LONGEST)?;
        let port = words.next()?.parse().ok()?;
        let tls = named(words.next()?, &TLS)?;
        let user = match words.next()? {
            "-" => String::new(),
            user => decoded(user, LONGEST)?,
        };
        let day = words.next()?.parse().ok()?;
        let mut memory = Memory::default();
        for word in words {
            take(word, &mut memory)?;
        }
        Some(Line { key: Key { host, port, tls, user }, day, memory })
    }
}

fn take(word: &str, memory: &mut Memory) -> Option<()> {
    if word == "starttls" {
        memory.starttls = StartTls::Seen;
        return Some(());
    }
    let (name, value) = word.split_once('=')?;
    if name == "offer" {
        let number = u64::from_str_radix(value, 16).ok()?;
        memory.habits = Some(Habits::of(Offer::from_number(number)));
        return Some(());
    }
    // All others are said of an offer.
    let habits = memory.habits.as_mut()?;
    match name {
        "login" => habits.login = named(value, &LOGIN)?,
        "mail" => habits.early_mail = named(value, &MAIL)?,
        "bdat" => habits.bdat = named(value, &BDAT)?,
        "recipients" => habits.most_recipients = Some(value.parse().ok().filter(|most| *most > 0)?),
        _ => return None,
    }
    Some(())
}

/// With its line end; empty where the line would be longer than it may.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { host, port, tls, user } = &self.key;
        if host.is_empty() || host.len() > LONGEST || user.len() > LONGEST {
            return Ok(());
        }
        let user = if user.is_empty() { "-".to_owned() } else { encoded(user) };
        write!(f, "{} {port} {} {user} {}", encoded(host), name(*tls, &TLS), self.day)?;
        if self.memory.starttls == StartTls::Seen {
            f.write_str(" starttls")?;
        }
        if let Some(habits) = &self.memory.habits {
            write!(f, " offer={:016x}", habits.offer.number())?;
            let words = [
                ("login", name(habits.login, &LOGIN)),
                ("mail", name(habits.early_mail, &MAIL)),
                ("bdat", name(habits.bdat, &BDAT)),
            ];
            for (key, value) in words.into_iter().filter(|(_, value)| !value.is_empty()) {
                write!(f, " {key}={value}")?;
            }
            if let Some(most) = habits.most_recipients {
                write!(f, " recipients={most}")?;
            }
        }
        f.write_char('\n')
    }
}

fn named<T: Copy>(word: &str, table: &[(&str, T)]) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// Nothing for what is not worth a word.
fn name<'a, T: PartialEq>(value: T, table: &[(&'a str, T)]) -> &'a str {
    table.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(host: &str, user: &str, memory: Memory) -> Line {
        Line {
            key: Key { host: host.to_owned(), port: 465, tls: TlsMode::Implicit, user: user.to_owned() },
            day: 20_000,
            memory,
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let mut habits = Habits::of(Offer::of(["PIPELINING", "AUTH PLAIN"]));
        let mut seen = Vec::new();
        for (_, login) in LOGIN {
            for (_, early_mail) in MAIL {
                for (_, bdat) in BDAT {
                    habits = Habits { login, early_mail, bdat, most_recipients: Some(50), ..habits };
                    seen.push(Memory { starttls: StartTls::Unseen, habits: Some(habits) });
                }
            }
        }
        seen.push(Memory { starttls: StartTls::Seen, habits: Some(Habits::of(Offer::from_number(0))) });
        seen.push(Memory { starttls: StartTls::Seen, habits: None });
        let names = ["alice@example.org", "", "-", "a b\tc\n%20", "jörg", "::1", "a#b"];
        for memory in seen {
            for name in names {
                let line = line("mx.example.net", name, memory);
                let text = line.to_string();
                assert_eq!(text.matches('\n').count(), 1, "{text}");
                assert_eq!(Line::parse(text.trim_end_matches('\n')), Some(line), "{text}");
            }
        }
        let plain = line("mx.example.net", "alice@example.org", Memory { starttls: StartTls::Seen, habits: None });
        assert_eq!(plain.to_string(), "mx.example.net 465 implicit alice@example.org 20000 starttls\n");
    }

    #[test]
    fn a_name_without_end_is_not_written() {
        assert_eq!(line("mx.example.net", &"x".repeat(321), Memory::default()).to_string(), "");
        assert_eq!(line("", "alice", Memory::default()).to_string(), "");
    }

    #[test]
    fn what_is_no_line_of_ours_is_passed_over() {
        let right = "mx.example.net 465 implicit alice 20000 starttls offer=00000000000000ff login=proven recipients=9";
        assert!(Line::parse(right).is_some());
        for (from, to) in [
            ("465", "65536"),
            ("465", "-1"),
            ("implicit", "sometimes"),
            ("alice", "%zz"),
            ("alice", "%f"),
            ("alice", "%ff"),
            ("alice", "%é"),
            ("20000", "soon"),
            ("20000", "99999999999"),
            ("20000 ", ""),
            ("starttls", "starttls=yes"),
            ("starttls", "tls"),
            ("00ff", "00fg"),
            ("offer=00000000000000ff ", ""),
            ("proven", "perhaps"),
            ("=9", "=0"),
            ("=9", "=99999999999999999999999"),
            (" implicit", "  implicit"),
            ("mx.example.net", "#mx.example.net"),
        ] {
            assert!(right.contains(from), "{from}");
            assert_eq!(Line::parse(&right.replacen(from, to, 1)), None, "{from} {to}");
        }
        for text in ["", " ", "#", "\u{0}"] {
            assert_eq!(Line::parse(text), None);
        }
    }
}
