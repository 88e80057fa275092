//! The hash functions of SCRAM, from the provider of cryptography that this build has.

use std::num::NonZeroU32;

use zeroize::Zeroizing;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::{digest, hmac, pbkdf2};
#[cfg(not(feature = "aws-lc-rs"))]
use ring::{digest, hmac, pbkdf2};

/// The hash function of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
}

impl Hash {
    /// Octets of its output.
    fn length(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
        }
    }

    /// `Hi(password, salt, rounds)` (RFC 5802 section 2.2).
    pub(crate) fn salted(self, password: &str, salt: &[u8], rounds: NonZeroU32) -> Zeroizing<Vec<u8>> {
        let algorithm = match self {
            Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let mut out = Zeroizing::new(vec![0; self.length()]);
        pbkdf2::derive(algorithm, rounds, salt, password.as_bytes(), &mut out);
        out
    }

    pub(crate) fn hmac(self, key: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(hmac::sign(&self.key(key), text).as_ref().to_vec())
    }

    /// Whether `tag` is the HMAC of the text, in a time that does not tell where it differs.
    pub(crate) fn is_hmac(self, key: &[u8], text: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.key(key), text, tag).is_ok()
    }

    pub(crate) fn digest(self, octets: &[u8]) -> Zeroizing<Vec<u8>> {
        let algorithm = match self {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
        };
        Zeroizing::new(digest::digest(algorithm, octets).as_ref().to_vec())
    }

    fn key(self, key: &[u8]) -> hmac::Key {
        let algorithm = match self {
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::Key::new(algorithm, key)
    }
}

/// `a XOR b`, of equal length.
pub(crate) fn xor(a: &[u8], b: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(a.iter().zip(b).map(|(a, b)| a ^ b).collect())
}
