//! SASL mechanisms (RFC 4422) in the profile of SMTP (RFC 4954). Own code: no crate has CRAM-MD5 beside the rest.

mod cram_md5;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

/// A mechanism that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
    /// RFC 2195.
    CramMd5,
}

/// In the order in which they are chosen when TLS is verified: PLAIN and LOGIN reveal the password to the
/// server only, which knows it, while CRAM-MD5 asks the server to store it in the clear.
pub const BY_STRENGTH: [Mechanism; 3] = [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5];

impl Mechanism {
    /// The IANA name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
        }
    }

    /// The mechanism of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        BY_STRENGTH.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether somebody who reads the dialogue learns the password.
    pub fn reveals_password(self) -> bool {
        self != Mechanism::CramMd5
    }
}

/// One authentication, from its first line to the server's verdict.
pub struct Exchange {
    mechanism: Mechanism,
    user: String,
    password: Zeroizing<String>,
    step: Step,
    rounds: u32,
}

/// What is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The initial response, which was too long for the AUTH line; an empty challenge asks for it.
    Deferred,
    /// LOGIN: the user name.
    User,
    /// LOGIN: the password.
    Password,
    /// CRAM-MD5: the answer to the challenge.
    Answer,
    /// Nothing more: the verdict must come.
    Done,
}

/// A challenge that cannot be answered. The exchange is cancelled with `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswerable(pub &'static str);

/// Most challenges in one exchange: no mechanism has more than four; Postfix stops at this number.
const ROUNDS: u32 = 100;

impl Exchange {
    /// Begins. What comes back goes behind `AUTH`, in base64, as the initial response where the mechanism has one.
    pub fn begin(mechanism: Mechanism, user: String, password: Zeroizing<String>) -> (Self, Option<Zeroizing<String>>) {
        let (step, initial) = match mechanism {
            Mechanism::Plain => (Step::Done, Some(plain(&user, &password))),
            Mechanism::Login => (Step::User, None),
            Mechanism::CramMd5 => (Step::Answer, None),
        };
        (Exchange { mechanism, user, password, step, rounds: 0 }, initial)
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response did not fit in the AUTH line; the server will ask for it.
    pub fn defer_initial_response(&mut self) {
        self.step = Step::Deferred;
    }

    /// Answers a challenge (the text behind `334`), in base64.
    ///
    /// # Errors
    /// [`Unanswerable`] when the challenge is not one that the mechanism can have.
    pub fn answer(&mut self, challenge: &str) -> Result<Zeroizing<String>, Unanswerable> {
        self.rounds += 1;
        if self.rounds > ROUNDS {
            return Err(Unanswerable("it gives challenges without end"));
        }
        match self.step {
            Step::Deferred if challenge.is_empty() => {
                self.step = Step::Done;
                Ok(plain(&self.user, &self.password))
            }
            Step::Deferred => Err(Unanswerable("it gives a challenge where PLAIN has none")),
            // Prompts are "Username:", "User Name", translated, empty, or no base64 at all: the order decides.
            Step::User => {
                self.step = Step::Password;
                Ok(encode(self.user.as_bytes()))
            }
            Step::Password => {
                self.step = Step::Done;
                Ok(encode(self.password.as_bytes()))
            }
            Step::Answer => {
                let challenge = BASE64.decode(challenge).map_err(|_| Unanswerable("its challenge is not base64"))?;
                self.step = Step::Done;
                Ok(encode(&cram_md5::response(&self.user, &self.password, &challenge)))
            }
            Step::Done => Err(Unanswerable("it gives a challenge after the last response")),
        }
    }
}

/// `NUL user NUL password` (RFC 4616 section 2), in base64.
fn plain(user: &str, password: &str) -> Zeroizing<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(mechanism: Mechanism) -> (Exchange, Option<Zeroizing<String>>) {
        let (user, password) =
            if mechanism == Mechanism::CramMd5 { ("tim", "tanstaaftanstaaf") } else { ("test", "1234") };
        Exchange::begin(mechanism, user.to_owned(), Zeroizing::new(password.to_owned()))
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
        let (mut exchange, _) = begin(Mechanism::Plain);
        exchange.defer_initial_response();
        assert!(exchange.answer("Z28=").is_err());
        let (mut exchange, _) = begin(Mechanism::Plain);
        exchange.defer_initial_response();
        assert_eq!(exchange.answer("").unwrap().as_str(), "AHRlc3QAMTIzNA==");
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

    /// P-225
    #[test]
    fn historic_mechanisms_do_not_exist() {
        assert_eq!(Mechanism::named("DIGEST-MD5"), None);
        assert_eq!(Mechanism::named("cram-md5"), Some(Mechanism::CramMd5));
    }
}
