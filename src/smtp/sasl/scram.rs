//! SCRAM (RFC 5802, RFC 7677), the client's side: neither side learns the password from the other, and the server
//! proves that it knows it too.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::binding::Gs2;
use super::crypto::{Hash, xor};
use super::prepare::{Unpreparable, prepare};
use super::{Stop, Unanswerable};

/// A client's nonce: printable ASCII without a comma (RFC 5802 section 7), never used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Makes one of random octets.
    pub fn from_octets(octets: &[u8; 24]) -> Self {
        Nonce(BASE64.encode(octets))
    }

    /// The text as a nonce, if it can be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_nonce(text).then(|| Nonce(text.to_owned()))
    }

    /// Another one, for another exchange of the same session.
    pub(in crate::smtp) fn number(&self, number: usize) -> Self {
        if number == 0 { self.clone() } else { Nonce(format!("{}{number}", self.0)) }
    }
}

/// With fewer rounds (RFC 7677 section 4) a password that leaks can be guessed too quickly.
pub(super) const FEW: u32 = 4096;
/// With more rounds the server wants to keep us busy: they take seconds. The most that is advised, for SHA-1, is
/// 1.3 million.
const MOST: u32 = 2_000_000;

/// What a server's salt and rounds make of a password, and what a person should know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounds {
    Enough,
    Few,
}

/// The client's first message is out.
pub(super) struct First {
    hash: Hash,
    gs2: Gs2,
    bare: Zeroizing<String>,
    nonce: Nonce,
    password: Zeroizing<String>,
}

/// The client's proof is out; the server's is awaited.
pub(super) struct Final {
    hash: Hash,
    server_key: Zeroizing<Vec<u8>>,
    text: Zeroizing<String>,
}

impl First {
    /// The first message, `gs2-header n=user,r=nonce`.
    ///
    /// # Errors
    /// When the user name or the password has no form that both sides could agree on.
    pub(super) fn new(
        hash: Hash,
        gs2: Gs2,
        user: &str,
        password: &str,
        nonce: Nonce,
    ) -> Result<(Self, Zeroizing<String>), Unpreparable> {
        let user = prepare(user)?;
        let password = prepare(password)?;
        let bare = Zeroizing::new(format!("n={},r={}", escape(&user).as_str(), nonce.0));
        let message = Zeroizing::new(format!("{}{}", gs2.header(), bare.as_str()));
        Ok((First { hash, gs2, bare, nonce, password }, message))
    }

    /// Answers the server's first message with the proof.
    ///
    /// # Errors
    /// When the message is none, or must not be trusted.
    pub(super) fn prove(self, server_first: &[u8]) -> Result<(Final, Zeroizing<String>, Rounds), Unanswerable> {
        let offer = Offer::parse(server_first, &self.nonce)?;
        let hash = self.hash;
        let without_proof = format!("c={},r={}", BASE64.encode(self.gs2.input()), offer.nonce);
        let text = Zeroizing::new(format!("{},{},{without_proof}", self.bare.as_str(), offer.message));
        let salted = hash.salted(&self.password, &offer.salt, offer.rounds);
        let client_key = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&client_key), text.as_bytes());
        let proof = BASE64.encode(&*xor(&client_key, &signature));
        let server_key = hash.hmac(&salted, b"Server Key");
        let rounds = if offer.rounds.get() < FEW { Rounds::Few } else { Rounds::Enough };
        Ok((Final { hash, server_key, text }, Zeroizing::new(format!("{without_proof},p={proof}")), rounds))
    }
}

impl Final {
    /// Checks the server's last message.
    ///
    /// # Errors
    /// [`Stop::Refused`] with the server's word for what is wrong, [`Stop::FalseServer`] when it proves nothing.
    pub(super) fn check(&self, server_final: &[u8]) -> Result<(), Stop> {
        let text = std::str::from_utf8(server_final).map_err(|_| Stop::FalseServer)?;
        let first = text.split(',').next().unwrap_or_default();
        if let Some(word) = first.strip_prefix("e=") {
            return Err(Stop::Refused(super::shown(word)));
        }
        let signature = first.strip_prefix("v=").and_then(|signature| BASE64.decode(signature).ok());
        match signature {
            Some(tag) if self.hash.is_hmac(&self.server_key, self.text.as_bytes(), &tag) => Ok(()),
            _ => Err(Stop::FalseServer),
        }
    }

    /// Whether a word of the last reply is the server's last message, and proves what it should: some servers put it
    /// there, with or without base64.
    pub(super) fn is_proved_in(&self, text: &str) -> bool {
        text.split_whitespace().any(|word| {
            let decoded = BASE64.decode(word).ok();
            self.check(decoded.as_deref().unwrap_or(word.as_bytes())).is_ok()
        })
    }
}

/// The server's first message.
struct Offer<'a> {
    message: &'a str,
    nonce: &'a str,
    salt: Vec<u8>,
    rounds: NonZeroU32,
}

impl<'a> Offer<'a> {
    fn parse(octets: &'a [u8], ours: &Nonce) -> Result<Self, Unanswerable> {
        let message = std::str::from_utf8(octets).map_err(|_| Unanswerable("its challenge is not UTF-8"))?;
        let mut attributes = message.split(',');
        let mut take = |name: &str| attributes.next().and_then(|attribute| attribute.strip_prefix(name));
        if message.split(',').any(|attribute| attribute.starts_with("m=")) {
            return Err(Unanswerable("it wants an extension of SCRAM that is not known here"));
        }
        let (Some(nonce), Some(salt), Some(rounds)) = (take("r="), take("s="), take("i=")) else {
            return Err(Unanswerable("its challenge is none of SCRAM"));
        };
        if nonce.len() <= ours.0.len() || !nonce.starts_with(&ours.0) || !is_nonce(nonce) {
            return Err(Unanswerable("its nonce does not continue ours, as if the answer were to somebody else"));
        }
        let salt = BASE64.decode(salt).ok().filter(|salt| !salt.is_empty());
        let salt = salt.ok_or(Unanswerable("its salt is not base64"))?;
        Ok(Offer { message, nonce, salt, rounds: parse_rounds(rounds)? })
    }
}

fn parse_rounds(text: &str) -> Result<NonZeroU32, Unanswerable> {
    let digits = Some(text).filter(|text| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()));
    let digits = digits.ok_or(Unanswerable("its number of rounds is no number"))?;
    let rounds = digits.parse().unwrap_or(u32::MAX);
    if rounds > MOST {
        return Err(Unanswerable("it wants more rounds than this program is ready to compute"));
    }
    NonZeroU32::new(rounds).ok_or(Unanswerable("it wants no rounds at all, which would reveal the password"))
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// A user name (RFC 5802 section 5.1).
pub(super) fn escape(user: &str) -> Zeroizing<String> {
    Zeroizing::new(user.replace('=', "=3D").replace(',', "=2C"))
}

#[cfg(test)]
mod tests {
    use super::super::binding::ChannelBinding;
    use super::*;
    use proptest::prelude::*;

    const SHA_1: (&str, &str) =
        ("fyko+d2lbbFgONRv9qkxdawL", "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
    const SHA_256: (&str, &str) = (
        "rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    );

    fn first(hash: Hash, gs2: Gs2, user: &str, nonce: &str) -> (First, String) {
        let (first, message) = First::new(hash, gs2, user, "pencil", Nonce::parse(nonce).unwrap()).unwrap();
        (first, message.to_string())
    }

    fn sha_256(server_first: &str) -> Result<(Final, Zeroizing<String>, Rounds), Unanswerable> {
        first(Hash::Sha256, Gs2::Unbound, "user", SHA_256.0).0.prove(server_first.as_bytes())
    }

    /// P-207 P-208: section 5 of RFC 5802.
    #[test]
    fn vector_of_rfc_5802() {
        let (exchange, message) = first(Hash::Sha1, Gs2::Unbound, "user", SHA_1.0);
        assert_eq!(message, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let (last, proof, rounds) = exchange.prove(SHA_1.1.as_bytes()).unwrap();
        assert_eq!(
            proof.as_str(),
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        );
        assert_eq!(rounds, Rounds::Enough);
        assert_eq!(last.check(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(()));
    }

    /// P-207 P-209: section 3 of RFC 7677.
    #[test]
    fn vector_of_rfc_7677() {
        let (last, proof, _) = sha_256(SHA_256.1).unwrap();
        assert_eq!(
            proof.as_str(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert_eq!(last.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,ext=1"), Ok(()));
    }

    /// P-205
    #[test]
    fn user_names_are_prepared_and_escaped() {
        assert_eq!(first(Hash::Sha256, Gs2::Unbound, "a=b,c", "x").1, "n,,n=a=3Db=2Cc,r=x");
        assert_eq!(first(Hash::Sha256, Gs2::Unbound, "\u{2168}\u{ad}", "x").1, "n,,n=IX,r=x");
        let nonce = Nonce::parse("x").unwrap();
        for (user, password) in [("a\u{7}", "secret"), ("alice", "a\u{7}"), ("alice", "\u{1f600}")] {
            let refused = First::new(Hash::Sha256, Gs2::Unbound, user, password, nonce.clone());
            assert!(refused.is_err(), "{user:?} {password:?}");
        }
    }

    /// P-205
    #[test]
    fn nonces_are_printable_long_and_never_the_same() {
        let nonce = Nonce::from_octets(&[0xff; 24]);
        assert_eq!(nonce.0.len(), 32);
        assert_eq!(Nonce::parse(&nonce.0), Some(nonce.clone()));
        assert_ne!(nonce.number(1), nonce);
        assert!(["", "a,b", "a b", "\u{e4}", "a\n"].iter().all(|text| Nonce::parse(text).is_none()));
    }

    /// P-212 P-213
    #[test]
    fn the_last_message_repeats_what_was_said_of_the_channel() {
        for (gs2, header, input) in [
            (Gs2::Unbound, "n,,", "c=biws,".to_owned()),
            (Gs2::NotOffered, "y,,", "c=eSws,".to_owned()),
            (
                Gs2::Bound(ChannelBinding::Exporter([0; 32])),
                "p=tls-exporter,,",
                format!("c=cD10bHMtZXhwb3J0ZXIsL{},", "A".repeat(43)),
            ),
            (
                Gs2::Bound(ChannelBinding::ServerEndPoint(b"hash".to_vec())),
                "p=tls-server-end-point,,",
                format!("c={},", BASE64.encode("p=tls-server-end-point,,hash")),
            ),
        ] {
            let (exchange, message) = first(Hash::Sha256, gs2.clone(), "user", SHA_256.0);
            assert!(message.starts_with(&format!("{header}n=user,")), "{message}");
            let (_, proof, _) = exchange.prove(SHA_256.1.as_bytes()).unwrap();
            assert!(proof.starts_with(&input), "{gs2:?}: {} {input}", proof.as_str());
        }
    }

    /// P-206
    #[test]
    fn offers_that_must_not_be_trusted() {
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        for (offer, word) in [
            (format!("r={nonce},s=AAAA,i=4096"), "nonce"),
            (format!("r=x{nonce},s=AAAA,i=4096"), "nonce"),
            (format!("r={}x,s=AAAA,i=4096", &nonce[1..]), "nonce"),
            (format!("r={nonce}\u{e4},s=AAAA,i=4096"), "nonce"),
            (format!("r={nonce}x,s=,i=4096"), "salt"),
            (format!("r={nonce}x,s=A,i=4096"), "salt"),
            (format!("r={nonce}x,s=AAAA,i=0"), "no rounds"),
            (format!("r={nonce}x,s=AAAA,i=2147483647"), "more rounds"),
            (format!("r={nonce}x,s=AAAA,i=4294967295"), "more rounds"),
            (format!("r={nonce}x,s=AAAA,i=99999999999999999999"), "more rounds"),
            (format!("r={nonce}x,s=AAAA,i=2000001"), "more rounds"),
            (format!("r={nonce}x,s=AAAA,i=-1"), "no number"),
            (format!("r={nonce}x,s=AAAA,i="), "no number"),
            (format!("m=x,r={nonce}x,s=AAAA,i=4096"), "extension"),
            (format!("r={nonce}x,s=AAAA,i=4096,m=x"), "extension"),
            (format!("s=AAAA,r={nonce}x,i=4096"), "none of SCRAM"),
            (format!("r={nonce}x,s=AAAA"), "none of SCRAM"),
            (String::new(), "none of SCRAM"),
        ] {
            let refused = sha_256(&offer).err().unwrap_or_else(|| panic!("{offer}"));
            assert!(refused.0.contains(word), "{offer}: {refused}");
        }
        assert!(first(Hash::Sha256, Gs2::Unbound, "user", nonce).0.prove(b"r=\xff,s=AAAA,i=1").is_err());
    }

    /// P-206
    #[test]
    fn few_rounds_are_told_and_unknown_extensions_passed_over() {
        for (offer, rounds) in [("s=AAAA,i=1", Rounds::Few), ("s=AAAA,i=4095", Rounds::Few)] {
            assert_eq!(sha_256(&format!("r={}x,{offer}", SHA_256.0)).unwrap().2, rounds, "{offer}");
        }
        assert_eq!(sha_256(&format!("{},x=y", SHA_256.1)).unwrap().2, Rounds::Enough);
    }

    /// P-210
    #[test]
    fn a_server_without_a_proof_is_false() {
        let (last, ..) = sha_256(SHA_256.1).unwrap();
        for text in ["", "v=", "v=AAAA", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "x=1", "V=6rri", "\u{e4}"] {
            assert_eq!(last.check(text.as_bytes()), Err(Stop::FalseServer), "{text}");
        }
        assert_eq!(last.check(b"v=\xff"), Err(Stop::FalseServer));
        assert_eq!(last.check(b"e=invalid-proof"), Err(Stop::Refused("invalid-proof".to_owned())));
        assert_eq!(last.check(b"e=\x1b[31m,v=1"), Err(Stop::Refused("\\x1b[31m".to_owned())));
    }

    /// P-210
    #[test]
    fn the_proof_may_stand_in_the_last_reply() {
        let (last, ..) = sha_256(SHA_256.1).unwrap();
        let proof = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert!(last.is_proved_in(&format!("2.7.0 {}", BASE64.encode(proof))));
        assert!(last.is_proved_in(proof));
        for text in ["", "2.7.0 ok", "dj1BQUFB", "v=AAAA", "e=other-error"] {
            assert!(!last.is_proved_in(text), "{text}");
        }
    }

    proptest! {
        /// P-206 P-210: whatever a server says, there is no panic, and what proves nothing is not taken.
        #[test]
        fn any_octets(octets in proptest::collection::vec(any::<u8>(), 0..200), text in "[rsivme=,0-9a-zA-Z/+]{0,80}") {
            for said in [&octets[..], text.as_bytes()] {
                let exchange = first(Hash::Sha1, Gs2::Unbound, "user", SHA_1.0).0;
                prop_assert!(exchange.prove(said).is_err());
                let exchange = first(Hash::Sha1, Gs2::Unbound, "user", SHA_1.0).0;
                let (last, ..) = exchange.prove(SHA_1.1.as_bytes()).unwrap();
                prop_assert!(last.check(said).is_err());
            }
        }

        /// P-205: a user name never ends the attribute that it stands in.
        #[test]
        fn any_user(user in "\\PC{1,30}") {
            if let Ok((_, message)) =
                First::new(Hash::Sha256, Gs2::Unbound, &user, "x", Nonce::parse("nonce").unwrap())
            {
                let parts: Vec<&str> = message.split(',').collect();
                prop_assert_eq!(parts.len(), 4);
                prop_assert_eq!(parts[3], "r=nonce");
                let name = parts[2].strip_prefix("n=").unwrap();
                let back = name.replace("=2C", ",").replace("=3D", "=");
                prop_assert_eq!(back, prepare(&user).unwrap().to_string());
            }
        }
    }
}
