//! Logins with an access token: OAUTHBEARER (RFC 7628) and XOAUTH2 (Google and Microsoft have had it before).

use serde::Deserialize;
use zeroize::Zeroizing;

use super::prepare::Unpreparable;
use super::scram::escape;
use super::shown;

/// `n,a=user,^Ahost=…^Aport=…^Aauth=Bearer TOKEN^A^A` (RFC 7628 section 3.1).
///
/// # Errors
/// When the token is none: it would end the attribute in which it stands.
pub(super) fn bearer(user: &str, token: &str, server: Option<(&str, u16)>) -> Result<Zeroizing<String>, Unpreparable> {
    check(token)?;
    let place = server.map(|(host, port)| format!("host={host}\x01port={port}\x01")).unwrap_or_default();
    Ok(Zeroizing::new(format!("n,a={},\x01{place}auth=Bearer {token}\x01\x01", escape(user).as_str())))
}

/// `user=USER^Aauth=Bearer TOKEN^A^A`.
///
/// # Errors
/// As for [`bearer`].
pub(super) fn xoauth2(user: &str, token: &str) -> Result<Zeroizing<String>, Unpreparable> {
    check(token)?;
    Ok(Zeroizing::new(format!("user={user}\x01auth=Bearer {token}\x01\x01")))
}

/// What the server says of a token that it refuses (RFC 7628 section 3.2.2), for a person.
pub(super) fn complaint(challenge: &[u8]) -> String {
    let Ok(error) = serde_json::from_slice::<Complaint>(challenge) else {
        return shown(&String::from_utf8_lossy(challenge));
    };
    let scope = error.scope.map(|scope| format!("scope {scope}"));
    let parts: Vec<String> = [error.status.map(Status::into_text), scope].into_iter().flatten().collect();
    shown(&parts.join(", "))
}

#[derive(Deserialize)]
struct Complaint {
    status: Option<Status>,
    scope: Option<String>,
}

/// A word by the standard; Google has a number in quotes, and others have it without.
#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Text(String),
    Number(u64),
}

impl Status {
    fn into_text(self) -> String {
        match self {
            Status::Text(text) => text,
            Status::Number(number) => number.to_string(),
        }
    }
}

fn check(token: &str) -> Result<(), Unpreparable> {
    let legal = !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
    if legal { Ok(()) } else { Err(Unpreparable) }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;

    /// P-218: section 4.1 of RFC 7628.
    #[test]
    fn example_of_rfc_7628() {
        let server = Some(("server.example.com", 587));
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        assert_eq!(
            encode(bearer("user@example.com", token, server).unwrap().as_bytes()).as_str(),
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52\
             YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        );
        assert_eq!(bearer("a=b,c", "t", None).unwrap().as_str(), "n,a=a=3Db=2Cc,\x01auth=Bearer t\x01\x01");
    }

    /// P-220: the example of Google.
    #[test]
    fn example_of_xoauth2() {
        let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
        assert_eq!(
            encode(xoauth2("someuser@example.com", token).unwrap().as_bytes()).as_str(),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0\
             Q2cBAQ=="
        );
    }

    #[test]
    fn what_is_no_token_is_not_sent() {
        for token in ["", "two words", "{\"access_token\": \"x\"}", "a\x01auth=Bearer b", "\u{e4}"] {
            assert_eq!(bearer("alice", token, None), Err(Unpreparable), "{token}");
            assert_eq!(xoauth2("alice", token), Err(Unpreparable), "{token}");
        }
    }

    /// P-219 P-220
    #[test]
    fn complaints_are_words_for_a_person() {
        for (challenge, words) in [
            (
                r#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://e.example/x"}"#,
                "invalid_token, scope example_scope",
            ),
            (
                r#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#,
                "401, scope https://mail.google.com/",
            ),
            (r#"{"status":400}"#, "400"),
            ("{}", ""),
            ("no JSON", "no JSON"),
            ("\x1b[31m", "\\x1b[31m"),
            (r#"{"status":"\u001b[31m"}"#, "\\x1b[31m"),
        ] {
            assert_eq!(complaint(challenge.as_bytes()), words, "{challenge}");
        }
        assert_eq!(complaint("x".repeat(9000).as_bytes()).len(), 200);
    }
}
