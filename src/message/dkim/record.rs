//! The key record: where verifiers find the public key (RFC 6376 section 3.6).

use super::Algorithm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Octets in one string of a TXT record (RFC 1035 section 3.3.14).
const STRING: usize = 255;

/// The record as a line of a zone file, with its text in strings of 255 octets at most, which a verifier joins. `key` is
/// what `p=` has: the SubjectPublicKeyInfo of RSA, or the 32 octets of Ed25519 (RFC 8463 section 4).
pub fn record(algorithm: Algorithm, selector: &str, domain: &str, key: &[u8]) -> String {
    let text = format!("v=DKIM1; k={}; p={}", algorithm.key_type(), STANDARD.encode(key));
    let mut rest = text.as_str();
    let mut strings = Vec::new();
    while !rest.is_empty() {
        let (string, behind) = rest.split_at(rest.len().min(STRING));
        strings.push(format!("\"{string}\""));
        rest = behind;
    }
    let strings = match strings.len() {
        1 => strings.concat(),
        _ => format!("( {} )", strings.join(" ")),
    };
    format!("{selector}._domainkey.{domain}. IN TXT {strings}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-376: 44 octets of base64 are all of the key (RFC 8463 section 4.2).
    #[test]
    fn a_short_key_is_one_string() {
        let key = STANDARD.decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
        assert_eq!(
            record(Algorithm::Ed25519Sha256, "brisbane", "football.example.com", &key),
            "brisbane._domainkey.football.example.com. IN TXT \
             \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
        );
    }

    #[test]
    fn a_long_key_is_split() {
        for octets in [294, 550] {
            let record = record(Algorithm::RsaSha256, "s", "example.org", &vec![7; octets]);
            let strings: Vec<&str> = record.split('"').skip(1).step_by(2).collect();
            assert!(record.starts_with("s._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p="));
            assert!(strings.len() > 1 && strings.iter().all(|string| string.len() <= STRING), "{strings:?}");
            let joined = strings.concat();
            assert_eq!(STANDARD.decode(joined.split_once("p=").unwrap().1).unwrap(), vec![7; octets]);
        }
    }
}
