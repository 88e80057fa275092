//! What hides secrets in what a server says: it may repeat ours.

use zeroize::Zeroizing;

/// The secrets of a session, as they went over the wire.
#[derive(Default)]
pub(super) struct Secrets {
    /// Responses in base64.
    responses: Vec<Zeroizing<String>>,
}

impl Secrets {
    pub(super) fn are_none(&self) -> bool {
        self.responses.is_empty()
    }

    /// A response has gone out.
    pub(super) fn sent(&mut self, response: Zeroizing<String>) {
        self.responses.push(response);
    }

    /// Takes out each run of base64 that is a part of a secret or has one in it. Servers cut what they repeat, and
    /// change its case.
    pub(super) fn hide(&self, line: &str) -> String {
        let secrets: Vec<Zeroizing<String>> =
            self.responses.iter().map(|secret| Zeroizing::new(secret.to_ascii_lowercase())).collect();
        let gives_away = |run: &str| {
            let run = Zeroizing::new(run.to_ascii_lowercase());
            let long = |text: &str| text.len() >= REPEATED;
            secrets.iter().any(|secret| {
                run == *secret
                    || (long(secret) && run.contains(secret.as_str()))
                    || (long(&run) && secret.contains(run.as_str()))
            })
        };
        let mut masked = String::with_capacity(line.len());
        let mut rest = line;
        while !rest.is_empty() {
            let run = rest.find(|c| !is_base64(c)).unwrap_or(rest.len());
            let other = rest[run..].find(is_base64).unwrap_or(rest.len() - run);
            let hidden = run > 0 && gives_away(&rest[..run]);
            if hidden {
                masked.push_str(&instead_of(run))
            } else {
                masked.push_str(&rest[..run])
            }
            masked.push_str(&rest[run..run + other]);
            rest = &rest[run + other..];
        }
        masked
    }
}

/// What stands for a secret of so many octets.
pub(super) fn instead_of(octets: usize) -> String {
    format!("[{octets} octets]")
}

/// A shorter part than this, in octets, gives little away, and would be found in harmless words.
const REPEATED: usize = 6;

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}
