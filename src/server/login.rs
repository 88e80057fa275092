//! SASL from the server's side (RFC 4954): SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), and
//! OAUTHBEARER (RFC 7628) and XOAUTH2, for which the password is the token.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::options::Credential;
use super::scram::{self, Asked, Refusal};
use crate::smtp::sasl::{Client, Exchange, Mechanism};

/// An authentication that waits for a response.
#[derive(Debug)]
pub(super) struct Waiting {
    step: Step,
}

#[derive(Debug)]
enum Step {
    Plain,
    LoginUser,
    LoginPassword { user: String },
    CramMd5 { challenge: String },
    ScramFirst { fresh: String },
    ScramLast(Asked),
    ScramDone { user: String },
    Token,
    TokenRefused,
}

/// What is said next.
#[derive(Debug)]
pub(super) enum Turn {
    /// 334 with this text, which is base64.
    Challenge(String, Waiting),
    /// Logged in as this user.
    Welcome(String),
    /// The user or the password is wrong.
    Wrong,
    /// The response is no base64, or not what the mechanism has.
    Malformed(&'static str),
}

/// Whether the mechanism is spoken here. SCRAM needs to know the password, and knows none where any will do.
pub(super) fn speaks(mechanism: Mechanism, credential: &Credential) -> bool {
    match mechanism {
        Mechanism::Plain | Mechanism::Login | Mechanism::CramMd5 => true,
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => true,
        Mechanism::ScramSha256 => matches!(credential, Credential::Only { .. }),
        _ => false,
    }
}

/// Begins an exchange. `challenge` is what CRAM-MD5 and SCRAM give; it must never have been given before.
pub(super) fn begin(mechanism: Mechanism, initial: Option<&str>, challenge: String, credential: &Credential) -> Turn {
    let waiting = |step| Waiting { step };
    match (mechanism, initial) {
        (Mechanism::Plain, None) => Turn::Challenge(String::new(), waiting(Step::Plain)),
        (Mechanism::Plain, Some(initial)) => waiting(Step::Plain).respond(initial_response(initial), credential),
        (Mechanism::Login, None) => Turn::Challenge(BASE64.encode("Username:"), waiting(Step::LoginUser)),
        (Mechanism::Login, Some(initial)) => waiting(Step::LoginUser).respond(initial_response(initial), credential),
        (Mechanism::CramMd5, None) => Turn::Challenge(BASE64.encode(&challenge), waiting(Step::CramMd5 { challenge })),
        (Mechanism::CramMd5, Some(_)) => Turn::Malformed("CRAM-MD5 has no initial response"),
        (Mechanism::ScramSha256, initial) => {
            let waiting = waiting(Step::ScramFirst { fresh: challenge });
            match initial {
                None => Turn::Challenge(String::new(), waiting),
                Some(initial) => waiting.respond(initial_response(initial), credential),
            }
        }
        (Mechanism::OAuthBearer | Mechanism::XOAuth2, None) => Turn::Challenge(String::new(), waiting(Step::Token)),
        (Mechanism::OAuthBearer | Mechanism::XOAuth2, Some(initial)) => {
            waiting(Step::Token).respond(initial_response(initial), credential)
        }
        _ => Turn::Malformed("this mechanism is not spoken here"),
    }
}

/// `=` is the empty initial response (RFC 4954 section 4).
fn initial_response(text: &str) -> &str {
    if text == "=" { "" } else { text }
}

impl Waiting {
    /// Takes a response in base64.
    pub(super) fn respond(self, response: &str, credential: &Credential) -> Turn {
        let Ok(response) = BASE64.decode(response).map(Zeroizing::new) else {
            return Turn::Malformed("the response is not base64");
        };
        let Ok(text) = std::str::from_utf8(&response) else { return Turn::Malformed("the response is not UTF-8") };
        match self.step {
            Step::Plain => {
                let parts: Vec<&str> = text.split('\0').collect();
                let &[identity, user, password] = parts.as_slice() else {
                    return Turn::Malformed("PLAIN has three parts with NUL between them");
                };
                // Nobody may act for somebody else.
                if identity.is_empty() || identity == user { check(user, password, credential) } else { Turn::Wrong }
            }
            Step::LoginUser => Turn::Challenge(
                BASE64.encode("Password:"),
                Waiting { step: Step::LoginPassword { user: text.to_owned() } },
            ),
            Step::LoginPassword { user } => check(&user, text, credential),
            Step::CramMd5 { challenge } => digest(text, &challenge, credential),
            Step::ScramFirst { fresh } => match scram::ask(text, &fresh) {
                Ok((asked, answer)) => Turn::Challenge(BASE64.encode(answer), Waiting { step: Step::ScramLast(asked) }),
                Err(refusal) => refusal.into(),
            },
            Step::ScramLast(asked) => {
                let Credential::Only { user, password } = credential else { return Turn::Wrong };
                match asked.conclude(text, user, password.expose_secret()) {
                    Ok((user, answer)) => {
                        Turn::Challenge(BASE64.encode(answer), Waiting { step: Step::ScramDone { user } })
                    }
                    Err(refusal) => refusal.into(),
                }
            }
            Step::Token => {
                let Some((user, token)) = token(text) else {
                    return Turn::Malformed("the response has no user and no bearer token");
                };
                match check(user, token, credential) {
                    Turn::Wrong => Turn::Challenge(
                        BASE64.encode(r#"{"status":"invalid_token","scope":"mail"}"#),
                        Waiting { step: Step::TokenRefused },
                    ),
                    turn => turn,
                }
            }
            Step::TokenRefused => Turn::Wrong,
            Step::ScramDone { user } if text.is_empty() => Turn::Welcome(user),
            Step::ScramDone { .. } => Turn::Malformed("SCRAM has an empty line at its end"),
        }
    }
}

impl From<Refusal> for Turn {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(text) => Turn::Malformed(text),
            Refusal::Wrong => Turn::Wrong,
        }
    }
}

/// User and token of OAUTHBEARER (RFC 7628 section 3.1) or XOAUTH2.
fn token(text: &str) -> Option<(&str, &str)> {
    let (head, rest) = text.split_once('\x01')?;
    let user = head.strip_prefix("user=").or_else(|| head.strip_prefix("n,a=")?.strip_suffix(','))?;
    let token = rest.split('\x01').find_map(|pair| pair.strip_prefix("auth=Bearer "))?;
    text.ends_with("\x01\x01").then_some((user, token))
}

fn check(user: &str, password: &str, credential: &Credential) -> Turn {
    let right = match credential {
        _ if user.is_empty() || user.chars().any(char::is_control) => false,
        Credential::Any => true,
        Credential::Only { user: known, password: secret } => {
            same(user.as_bytes(), known.as_bytes()) & same(password.as_bytes(), secret.expose_secret().as_bytes())
        }
    };
    if right { Turn::Welcome(user.to_owned()) } else { Turn::Wrong }
}

/// `user SP 32 hex digits` (RFC 2195 section 2).
fn digest(response: &str, challenge: &str, credential: &Credential) -> Turn {
    let Some((user, digest)) = response.rsplit_once(' ') else {
        return Turn::Malformed("CRAM-MD5 has a user and a digest");
    };
    if digest.len() != 32 || !digest.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return Turn::Malformed("the digest is not 32 hexadecimal digits");
    }
    let Credential::Only { user: known, password } = credential else { return check(user, "", credential) };
    let password = Zeroizing::new(password.expose_secret().to_owned());
    let client = Client { user: known, password, server: None, scram: None };
    let Ok((mut exchange, _)) = Exchange::begin(Mechanism::CramMd5, client) else { return Turn::Wrong };
    let Ok(right) = exchange.answer(&BASE64.encode(challenge)) else { return Turn::Wrong };
    let given = BASE64.encode(format!("{user} {}", digest.to_ascii_lowercase()));
    if same(given.as_bytes(), right.as_bytes()) { Turn::Welcome(user.to_owned()) } else { Turn::Wrong }
}

/// Compares in a time that depends on the lengths alone.
pub(super) fn same(given: &[u8], right: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != right.len());
    for (at, octet) in given.iter().enumerate() {
        difference |= black_box(octet ^ right.get(at).copied().unwrap_or(0));
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(user: &str, password: &str) -> Credential {
        Credential::Only { user: user.to_owned(), password: password.into() }
    }

    #[test]
    fn cram_md5_vector_of_rfc_2195() {
        let challenge = "<1896.697170952@postoffice.reston.mci.net>";
        for (user, password, response, welcome) in [
            ("tim", "tanstaaftanstaaf", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", true),
            ("tim", "tanstaaftanstaaf", "dGltIEI5MTNBNjAyQzdFREE3QTQ5NUI0RTZFNzMzNEQzODkw", true),
            ("tim", "wrong", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", false),
            ("tom", "tanstaaftanstaaf", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", false),
        ] {
            let waiting = Waiting { step: Step::CramMd5 { challenge: challenge.to_owned() } };
            let turn = waiting.respond(response, &only(user, password));
            assert_eq!(matches!(turn, Turn::Welcome(_)), welcome, "{user} {password}: {turn:?}");
        }
    }

    #[test]
    fn comparison_sees_every_octet_and_the_length() {
        assert!(same(b"", b"") && same(b"abc", b"abc"));
        for other in ["abd", "bbc", "ab", "abcd", ""] {
            assert!(!same(other.as_bytes(), b"abc"), "{other}");
        }
        assert!(!same(b"abc\0", b"abc"));
    }
}
