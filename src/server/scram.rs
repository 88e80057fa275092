//! SCRAM-SHA-256 from the server's side (RFC 5802, RFC 7677), without channel binding.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::login::same;
use crate::smtp::sasl::{Hash, prepare, xor};

/// The least that RFC 7677 section 4 allows: who tries the server out does not want to wait.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// The server's first message is out; the client's proof is awaited.
#[derive(Debug)]
pub(super) struct Asked {
    user: String,
    header: String,
    nonce: String,
    /// The two messages so far.
    text: String,
    salt: String,
}

/// What is wrong with a message.
#[derive(Debug)]
pub(super) enum Refusal {
    Malformed(&'static str),
    Wrong,
}

/// Reads the client's first message, and gives the server's. `fresh` must never have been given before.
pub(super) fn ask(message: &str, fresh: &str) -> Result<(Asked, String), Refusal> {
    let malformed = Refusal::Malformed("SCRAM begins with n,,n=user,r=nonce");
    let mut parts = message.splitn(3, ',');
    let (Some(flag @ ("n" | "y")), Some(identity), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed);
    };
    let mut attributes = bare.split(',');
    let name = attributes.next().and_then(|attribute| attribute.strip_prefix("n="));
    let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r="));
    let (Some(name), Some(nonce)) = (name, nonce.filter(|nonce| !nonce.is_empty())) else { return Err(malformed) };
    // Nobody may act for somebody else.
    if !identity.is_empty() && identity != format!("a={name}") {
        return Err(Refusal::Wrong);
    }
    let user = name.replace("=2C", ",").replace("=3D", "=");
    let nonce = format!("{nonce}{fresh}");
    let salt = fresh.to_owned();
    let answer = format!("r={nonce},s={},i={ROUNDS}", BASE64.encode(&salt));
    let text = format!("{bare},{answer}");
    Ok((Asked { user, header: format!("{flag},{identity},"), nonce, text, salt }, answer))
}

impl Asked {
    /// Reads the client's last message, and gives the user and the server's last message if the proof is right.
    pub(super) fn conclude(self, message: &str, known: &str, password: &str) -> Result<(String, String), Refusal> {
        let malformed = Refusal::Malformed("SCRAM ends with c=binding,r=nonce,p=proof");
        let Some((without_proof, proof)) = message.rsplit_once(",p=") else { return Err(malformed) };
        let Ok(proof) = BASE64.decode(proof).map(Zeroizing::new) else { return Err(malformed) };
        if without_proof != format!("c={},r={}", BASE64.encode(&self.header), self.nonce) {
            return Err(Refusal::Wrong);
        }
        let (Ok(known), Ok(password)) = (prepare(known), prepare(password)) else { return Err(Refusal::Wrong) };
        let hash = Hash::Sha256;
        let text = format!("{},{without_proof}", self.text);
        let salted = hash.salted(&password, self.salt.as_bytes(), ROUNDS);
        let stored = hash.digest(&hash.hmac(&salted, b"Client Key"));
        let client_key = xor(&proof, &hash.hmac(&stored, text.as_bytes()));
        let is_known = same(self.user.as_bytes(), known.as_bytes());
        if !(same(&hash.digest(&client_key), &stored) & is_known) {
            return Err(Refusal::Wrong);
        }
        let signature = hash.hmac(&hash.hmac(&salted, b"Server Key"), text.as_bytes());
        Ok((self.user, format!("v={}", BASE64.encode(&*signature))))
    }
}
