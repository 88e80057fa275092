//! What hides secrets in what a server says: it may repeat ours.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::reply::printable;

/// The secrets of a session.
#[derive(Default)]
pub(super) struct Secrets {
    /// The password, and the responses as they went over the wire, in base64.
    responses: Vec<Zeroizing<String>>,
    /// The password, and what the responses say: some servers decode before they repeat.
    plain: Vec<Zeroizing<String>>,
}

/// Where a line comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// From a refusal of the login, where a server may well repeat what it got.
    Refusal,
    /// From elsewhere.
    Other,
}

impl Secrets {
    pub(super) fn are_none(&self) -> bool {
        self.responses.is_empty() && self.plain.is_empty()
    }

    /// The password is known. A server that knows it can repeat it in base64, whatever went over the wire.
    pub(super) fn password(&mut self, password: &str) {
        self.keep(password.as_bytes());
        self.responses.push(Zeroizing::new(STANDARD.encode(password)));
    }

    /// A response has gone out. The user's name in it is none of the secrets.
    pub(super) fn sent(&mut self, response: Zeroizing<String>, user: &str) {
        let octets = Zeroizing::new(STANDARD.decode(response.as_bytes()).unwrap_or_default());
        for word in octets.split(|octet| matches!(octet, 0 | 1 | b' ' | b',')) {
            if word.len() >= REPEATED && word != user.as_bytes() {
                self.keep(word);
            }
        }
        self.responses.push(response);
    }

    fn keep(&mut self, secret: &[u8]) {
        let secret = Zeroizing::new(printable(secret));
        if !secret.is_empty() && !self.plain.contains(&secret) {
            self.plain.push(secret);
        }
    }

    /// The line with marks instead of the secrets in it. Servers cut what they repeat, and change its case.
    pub(super) fn hide(&self, line: &str, from: Line) -> String {
        let lower = Zeroizing::new(line.to_ascii_lowercase());
        let mut found = self.in_base64(&lower);
        for secret in &self.plain {
            let secret = Zeroizing::new(secret.to_ascii_lowercase());
            if secret.len() >= REPEATED {
                find_parts(&lower, &secret, &mut found);
            } else if from == Line::Refusal {
                find_words(&lower, &secret, &mut found);
            }
        }
        // Elsewhere the same word in another case is most likely none of ours.
        for secret in self.plain.iter().filter(|secret| (SHORT..REPEATED).contains(&secret.len())) {
            find_words(line, secret, &mut found);
        }
        found.sort_by_key(|range| (range.start, range.end));
        let mut masked = String::with_capacity(line.len());
        let mut done = 0;
        let mut ranges = found.into_iter().peekable();
        while let Some(mut range) = ranges.next() {
            while let Some(next) = ranges.next_if(|next| next.start < range.end) {
                range.end = range.end.max(next.end);
            }
            masked.push_str(&line[done..range.start]);
            masked.push_str(&instead_of(range.len()));
            done = range.end;
        }
        masked.push_str(&line[done..]);
        masked
    }

    /// Each run of base64 that is a part of a response or has one in it.
    fn in_base64(&self, line: &str) -> Vec<Range<usize>> {
        let responses: Vec<Zeroizing<String>> =
            self.responses.iter().map(|response| Zeroizing::new(response.to_ascii_lowercase())).collect();
        let long = |text: &str| text.len() >= REPEATED;
        let gives_away = |run: &str| {
            responses.iter().any(|response| {
                run == response.as_str()
                    || (long(response) && run.contains(response.as_str()))
                    || (long(run) && response.contains(run))
            })
        };
        let mut found = Vec::new();
        let mut at = 0;
        while at < line.len() {
            let end = line[at..].find(|c| !is_base64(c)).map_or(line.len(), |length| at + length);
            if at < end && gives_away(&line[at..end]) {
                found.push(at..end);
            }
            at = line[end..].find(is_base64).map_or(line.len(), |length| end + length);
        }
        found
    }
}

/// The secret wherever it stands, whole or cut off behind its first few octets.
fn find_parts(line: &str, secret: &str, found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at + REPEATED <= line.len() {
        let alike = line.as_bytes()[at..].iter().zip(secret.as_bytes()).take_while(|(a, b)| a == b).count();
        let end = (at..=at + alike).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(at);
        if line.is_char_boundary(at) && end - at >= REPEATED {
            found.push(at..end);
            at = end;
        } else {
            at += 1;
        }
    }
}

/// A short secret where it stands alone: within harmless words it would be found too often.
fn find_words(line: &str, secret: &str, found: &mut Vec<Range<usize>>) {
    let is_inside = |c: char| c.is_alphanumeric();
    for (at, _) in line.match_indices(secret) {
        let (before, behind) = (&line[..at], &line[at + secret.len()..]);
        let begins = !before.ends_with(is_inside) || ends_with_escape(before);
        if begins && !behind.starts_with(is_inside) {
            found.push(at..at + secret.len());
        }
    }
}

/// Whether the last of a text is the escape of a control, such as the `\x00` between user and password.
fn ends_with_escape(text: &str) -> bool {
    let octets = text.as_bytes();
    octets.len() >= 4 && octets[octets.len() - 4..].starts_with(b"\\x")
}

/// What stands for a secret of so many octets.
pub(super) fn instead_of(octets: usize) -> String {
    format!("[{octets} octets]")
}

/// A shorter part than this, in octets, gives little away, and would be found in harmless words.
const REPEATED: usize = 6;

/// A shorter secret than this, in octets, is hidden in refusals of the login alone.
const SHORT: usize = 4;

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(password: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.password(password);
        secrets
    }

    /// P-197
    #[test]
    fn a_password_in_plain_is_hidden_wherever_it_stands() {
        let secrets = secrets("Tr0ub4dor&3");
        for (line, hidden) in [
            ("5.5.2 what is Tr0ub4dor&3", "5.5.2 what is [11 octets]"),
            ("user=alice&password=tr0ub4DOR&3;", "user=alice&password=[11 octets];"),
            ("\\x00alice\\x00Tr0ub4dor&3\\x00", "\\x00alice\\x00[11 octets]\\x00"),
            ("cut: Tr0ub4d...", "cut: [7 octets]..."),
            ("cut: Tr0ub...", "cut: Tr0ub..."),
            ("Tr0ub4dor&3Tr0ub4dor&3", "[11 octets][11 octets]"),
            ("nothing of the kind", "nothing of the kind"),
        ] {
            assert_eq!(secrets.hide(line, Line::Refusal), hidden);
            assert_eq!(secrets.hide(line, Line::Other), hidden);
        }
    }

    /// P-197: harmless words stay, and so do they in another case where nobody speaks of the login.
    #[test]
    fn a_short_password_is_hidden_where_it_stands_alone() {
        for (password, line, refusal, other) in [
            ("auth", "authentication failed for auth", "authentication failed for [4 octets]", None),
            ("auth", "\"auth\" is wrong, unauthorised", "\"[4 octets]\" is wrong, unauthorised", None),
            ("auth", "\\x00alice\\x00auth", "\\x00alice\\x00[4 octets]", None),
            ("auth", "AUTH PLAIN", "[4 octets] PLAIN", Some("AUTH PLAIN")),
            ("x1y", "what is x1y", "what is [3 octets]", Some("what is x1y")),
        ] {
            let secrets = secrets(password);
            assert_eq!(secrets.hide(line, Line::Refusal), refusal);
            assert_eq!(secrets.hide(line, Line::Other), other.unwrap_or(refusal));
        }
    }

    #[test]
    fn letters_of_any_length_are_cut_between_them() {
        let secrets = secrets("geheim\u{fc}ber");
        for (line, hidden) in [
            ("geheim\u{fc}ber!", "[11 octets]!"),
            ("geheim\u{fd}!", "[6 octets]\u{fd}!"),
            ("\u{fc}geheim\u{fc}", "\u{fc}[8 octets]"),
            ("GEHEIM\u{fc}BER", "[11 octets]"),
        ] {
            assert_eq!(secrets.hide(line, Line::Other), hidden);
        }
    }

    /// P-197: what a response says is hidden too, but for the name of the user.
    #[test]
    fn what_a_response_says_is_hidden() {
        let mut secrets = Secrets::default();
        let digest = "b913a602c7eda7a495b4e6e7334d3890";
        secrets.sent(Zeroizing::new(STANDARD.encode(format!("alice@example.org {digest}"))), "alice@example.org");
        let line = format!("bad response \"alice@example.org {digest}\"");
        assert_eq!(secrets.hide(&line, Line::Other), "bad response \"alice@example.org [32 octets]\"");
    }
}
