//! SASL mechanisms (RFC 4422) in the profile of SMTP (RFC 4954). Own code: no crate has CRAM-MD5 beside the rest.

mod binding;
mod cram_md5;
mod crypto;
mod mechanism;
mod oauth;
mod prepare;
pub mod scram;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

pub use binding::{ChannelBinding, Gs2};
pub use crypto::Hash;
pub(crate) use crypto::xor;
pub use mechanism::{BY_STRENGTH, Bond, Mechanism, Shelter, Wants};
pub use prepare::Unpreparable;
pub(crate) use prepare::prepare;
pub use scram::Nonce;

use super::reply::printable;
use prepare::prepare_or_keep;

/// Who logs in, with what.
pub struct Client<'a> {
    /// The user name; for EXTERNAL whom the client acts for, or nobody else where it is empty.
    pub user: &'a str,
    /// The password, or the access token.
    pub password: Zeroizing<String>,
    /// Host and port of the server, as the account names them, for OAUTHBEARER.
    pub server: Option<(&'a str, u16)>,
    /// What SCRAM needs.
    pub scram: Option<Scram>,
}

/// What SCRAM needs besides.
pub struct Scram {
    /// It must never have been used before.
    pub nonce: Nonce,
    /// What is said of channel binding.
    pub gs2: Gs2,
}

/// One authentication, from its first line to the server's verdict.
pub struct Exchange {
    mechanism: Mechanism,
    step: Step,
    rounds: u32,
    warning: Option<&'static str>,
    complaint: Option<String>,
}

/// What is sent next.
enum Step {
    /// The initial response, which was too long for the AUTH line; an empty challenge asks for it.
    Deferred(Zeroizing<String>, Box<Step>),
    /// LOGIN: the user name.
    User { user: String, password: Zeroizing<String> },
    /// LOGIN: the password.
    Password(Zeroizing<String>),
    /// CRAM-MD5: the answer to the challenge.
    Answer { user: String, password: Zeroizing<String> },
    /// SCRAM: the proof.
    Prove(scram::First),
    /// SCRAM: an empty line, when the server's proof is right.
    Check(scram::Final),
    /// OAuth: the line that acknowledges what is wrong with the token.
    Acknowledge(&'static [u8]),
    /// Nothing more: the verdict must come.
    Done,
}

/// A challenge that cannot be answered. The exchange is cancelled with `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswerable(pub &'static str);

/// Why an exchange goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The challenge cannot be answered.
    Unanswerable(&'static str),
    /// The mechanism's own error, in the server's word.
    Refused(String),
    /// The server does not prove that it knows the password. It may be another one.
    FalseServer,
}

impl From<Unanswerable> for Stop {
    fn from(unanswerable: Unanswerable) -> Self {
        Stop::Unanswerable(unanswerable.0)
    }
}

/// Most challenges in one exchange: no mechanism has more than four; Postfix stops at this number.
const ROUNDS: u32 = 100;

/// So many characters are shown of what a server says within a mechanism.
const SHOWN: usize = 200;

impl Exchange {
    /// Begins. What comes back goes behind `AUTH`, in base64, as the initial response where the mechanism has one.
    ///
    /// # Errors
    /// [`Unpreparable`] when the mechanism cannot carry this user name or password, or something that it needs is not
    /// there.
    pub fn begin(mechanism: Mechanism, client: Client<'_>) -> Result<(Self, Option<Zeroizing<String>>), Unpreparable> {
        let Client { user, password, server, scram } = client;
        let (step, initial) = match mechanism {
            Mechanism::ScramSha256Plus | Mechanism::ScramSha256 | Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => {
                let (Some((hash, _)), Some(Scram { nonce, gs2 })) = (mechanism.scram(), scram) else {
                    return Err(Unpreparable);
                };
                let (first, message) = scram::First::new(hash, gs2, user, &password, nonce)?;
                (Step::Prove(first), Some(encode(message.as_bytes())))
            }
            Mechanism::External => (Step::Done, Some(encode(user.as_bytes()))),
            // One octet by RFC 7628 section 3.2.3; Google wants an empty line.
            Mechanism::OAuthBearer => {
                let message = oauth::bearer(user, &password, server)?;
                (Step::Acknowledge(b"\x01"), Some(encode(message.as_bytes())))
            }
            Mechanism::XOAuth2 => {
                let message = oauth::xoauth2(user, &password)?;
                (Step::Acknowledge(b""), Some(encode(message.as_bytes())))
            }
            Mechanism::Plain => (Step::Done, Some(plain(user, &password))),
            Mechanism::Login => (Step::User { user: user.to_owned(), password }, None),
            Mechanism::CramMd5 => (Step::Answer { user: user.to_owned(), password }, None),
        };
        Ok((Exchange { mechanism, step, rounds: 0, warning: None, complaint: None }, initial))
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What a person should know about the exchange; told once.
    pub fn warning(&mut self) -> Option<&'static str> {
        self.warning.take()
    }

    /// What the server has said of the access token, in words for a person.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// The initial response did not fit in the AUTH line; the server will ask for it.
    pub fn defer(&mut self, initial: Zeroizing<String>) {
        let step = std::mem::replace(&mut self.step, Step::Done);
        self.step = Step::Deferred(initial, Box::new(step));
    }

    /// Answers a challenge (the text behind `334`), in base64.
    ///
    /// # Errors
    /// [`Stop`] when the challenge is not one that the mechanism can have, or says that the login is refused.
    pub fn answer(&mut self, challenge: &str) -> Result<Zeroizing<String>, Stop> {
        self.rounds += 1;
        if self.rounds > ROUNDS {
            return Err(Unanswerable("it gives challenges without end").into());
        }
        match std::mem::replace(&mut self.step, Step::Done) {
            // Servers of XOAUTH2 have been seen to say something there.
            Step::Deferred(initial, next) if challenge.is_empty() || self.mechanism == Mechanism::XOAuth2 => {
                self.step = *next;
                Ok(initial)
            }
            Step::Deferred(..) => Err(Unanswerable("it gives a challenge where there is none yet").into()),
            // Prompts are "Username:", "User Name", translated, empty, or no base64 at all: the order decides.
            Step::User { user, password } => {
                self.step = Step::Password(password);
                Ok(encode(user.as_bytes()))
            }
            Step::Password(password) => Ok(encode(password.as_bytes())),
            Step::Answer { user, password } => Ok(encode(&cram_md5::response(&user, &password, &decode(challenge)?))),
            Step::Prove(first) => {
                let (last, proof, rounds) = first.prove(&decode(challenge)?)?;
                if rounds == scram::Rounds::Few {
                    self.warning = Some("the server asks for fewer than 4096 rounds of SCRAM, which is weak");
                }
                self.step = Step::Check(last);
                Ok(encode(proof.as_bytes()))
            }
            Step::Check(last) => {
                last.check(&decode(challenge)?)?;
                Ok(Zeroizing::default())
            }
            Step::Acknowledge(octets) => {
                self.complaint = Some(oauth::complaint(&decode(challenge)?));
                Ok(encode(octets))
            }
            Step::Done => Err(Unanswerable("it gives a challenge after the last response").into()),
        }
    }

    /// The server says that the login has succeeded, with this text.
    ///
    /// # Errors
    /// [`Stop::FalseServer`] when it has not proved what the mechanism asks it to prove.
    pub fn succeed(&self, text: &str) -> Result<(), Stop> {
        match &self.step {
            Step::Prove(_) => Err(Stop::FalseServer),
            Step::Check(last) if !last.is_proved_in(text) => Err(Stop::FalseServer),
            Step::Deferred(_, next) if matches!(**next, Step::Prove(_)) => Err(Stop::FalseServer),
            _ => Ok(()),
        }
    }
}

/// `NUL user NUL password` (RFC 4616 section 2), in base64.
fn plain(user: &str, password: &str) -> Zeroizing<String> {
    let (user, password) = (prepare_or_keep(user), prepare_or_keep(password));
    let mut message = Zeroizing::new(Vec::with_capacity(user.len() + password.len() + 2));
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(password.as_bytes());
    encode(&message)
}

fn encode(octets: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(octets))
}

fn decode(challenge: &str) -> Result<Vec<u8>, Unanswerable> {
    BASE64.decode(challenge).map_err(|_| Unanswerable("its challenge is not base64"))
}

/// Words of a server for a person: short, and without controls.
fn shown(text: &str) -> String {
    printable(text.as_bytes()).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(mechanism: Mechanism) -> (Exchange, Option<Zeroizing<String>>) {
        let (user, password) =
            if mechanism == Mechanism::CramMd5 { ("tim", "tanstaaftanstaaf") } else { ("test", "1234") };
        Exchange::begin(
            mechanism,
            Client { user, password: Zeroizing::new(password.to_owned()), server: None, scram: None },
        )
        .unwrap()
    }

    /// P-201
    #[test]
    fn plain_is_one_message() {
        let (mut exchange, initial) = begin(Mechanism::Plain);
        assert_eq!(initial.unwrap().as_str(), "AHRlc3QAMTIzNA==");
        assert!(exchange.answer("").is_err());
    }

    /// P-180 P-181
    #[test]
    fn a_deferred_response_wants_an_empty_challenge() {
        for (challenge, works) in [("Z28=", false), ("", true)] {
            let (mut exchange, initial) = begin(Mechanism::Plain);
            exchange.defer(initial.unwrap());
            assert_eq!(exchange.answer(challenge).is_ok(), works);
            assert!(exchange.answer("").is_err());
        }
    }

    /// P-192: PLAIN carries what SASLprep makes of it, and the rest as it is.
    #[test]
    fn plain_is_prepared() {
        assert_eq!(*plain("\u{2168}", "\u{aa}\u{ad}"), BASE64.encode("\0IX\0a"));
        assert_eq!(*plain("alice", "\u{1f600}"), BASE64.encode("\0alice\0\u{1f600}"));
    }

    /// P-202
    #[test]
    fn login_answers_any_prompts_in_order() {
        for (first, second) in
            [("VXNlcm5hbWU6", "UGFzc3dvcmQ6"), ("VXNlciBOYW1lAA==", "UGFzc3dvcmQA"), ("", ""), ("NTLM ok!", "???")]
        {
            let (mut exchange, initial) = begin(Mechanism::Login);
            assert!(initial.is_none());
            assert_eq!(exchange.answer(first).unwrap().as_str(), "dGVzdA==");
            assert_eq!(exchange.answer(second).unwrap().as_str(), "MTIzNA==");
            assert!(exchange.answer("").is_err());
        }
    }

    /// P-204
    #[test]
    fn cram_md5_vector_of_rfc_2195() {
        let (mut exchange, initial) = begin(Mechanism::CramMd5);
        assert!(initial.is_none());
        let answer = exchange.answer("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+").unwrap();
        assert_eq!(answer.as_str(), "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
        let (mut exchange, _) = begin(Mechanism::CramMd5);
        assert!(exchange.answer("!!!").is_err());
    }
}
