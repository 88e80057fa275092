//! DKIM (RFC 6376): what is signed of a message, and the field that says so.
//!
//! ```text
//! octets as they go on the wire → Hashing → Hashed → (with a Signer) DKIM-Signature fields
//! ```
//!
//! The message is read once, and nothing is held of it but its header. `relaxed/relaxed`, SHA-256, and keys of RSA or
//! Ed25519 (RFC 8463), which are somewhere else: [`Sign`].

mod canonical;
mod field;
mod record;

pub use field::is_oversigned;
pub use record::record;

use super::header::{Field, fields};
use crate::address::find;
use canonical::Body;
use field::Selection;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::digest;
#[cfg(not(feature = "aws-lc-rs"))]
use ring::digest;

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-sha256` (RFC 6376 section 3.3.2).
    RsaSha256,
    /// `ed25519-sha256` (RFC 8463 section 3).
    Ed25519Sha256,
}

impl Algorithm {
    /// Its name in a signature: the value of `a=`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// The type of its keys: the value of `k=` in a key record.
    pub fn key_type(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa",
            Algorithm::Ed25519Sha256 => "ed25519",
        }
    }
}

/// A private key.
pub trait Sign {
    /// What it signs with.
    fn algorithm(&self) -> Algorithm;

    /// The signature of these octets: it is their SHA-256 that is signed, also by Ed25519 (RFC 8463 section 3).
    ///
    /// # Errors
    /// When the provider of cryptography says no, which has no reason that it would tell.
    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SigningFailed>;
}

/// A key did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot sign")]
pub struct SigningFailed;

/// Who signs: domains, and keys that their DNS names.
pub struct Signer {
    domains: Vec<String>,
    keys: Vec<(String, Box<dyn Sign>)>,
}

/// Why a message gets no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// From is missing, or has no address that can be read.
    #[error("its From field has no address")]
    NoAuthor,
    /// The signature would not be aligned with From (RFC 7489 section 3.1.1): its domain, and those that are signed for.
    #[error("its author is of {0}, and the account signs for {1}")]
    Foreign(String, String),
    /// The key with this selector did not sign.
    #[error("the key with the selector {0} cannot sign")]
    Failed(String),
}

impl Signer {
    /// One that signs for each of these domains in ASCII and for what is below them; for any domain where there is none.
    /// The keys have their selectors, and sign one by one.
    pub fn new(domains: Vec<String>, keys: Vec<(String, Box<dyn Sign>)>) -> Self {
        Signer { domains, keys }
    }

    /// Selectors and algorithms, for people.
    pub fn describe(&self) -> String {
        let one = |(selector, key): &(String, Box<dyn Sign>)| format!("{selector} ({})", key.algorithm().name());
        self.keys.iter().map(one).collect::<Vec<_>>().join(" and ")
    }

    /// The domain that signs for an author: the one given that is nearest to theirs.
    fn domain_for(&self, author: &str) -> Option<String> {
        let author = author.to_ascii_lowercase();
        if author.starts_with('[') {
            return None;
        }
        if self.domains.is_empty() {
            return Some(author);
        }
        let covers = |domain: &&String| {
            author.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.iter().filter(covers).max_by_key(|domain| domain.len()).cloned()
    }

    /// The domain that signs for the authors of a message (RFC 6376 section 5.1).
    fn choose(&self, header: &[u8], fields: &[Field]) -> Result<String, Unsigned> {
        let mut first = None;
        for field in fields.iter().filter(|field| field.is(header, "From")) {
            for found in find(&header[field.value.clone()]).unwrap_or_default() {
                let address = found.address("").ok();
                let Some(author) = address.as_ref().and_then(|address| address.domain()) else { continue };
                if let Some(domain) = self.domain_for(author) {
                    return Ok(domain);
                }
                first.get_or_insert_with(|| author.to_owned());
            }
        }
        Err(match first {
            Some(author) if self.domains.is_empty() => Unsigned::Foreign(author, "domain names".to_owned()),
            Some(author) => Unsigned::Foreign(author, self.domains.join(", ")),
            None => Unsigned::NoAuthor,
        })
    }
}

/// A message on its way through the hash functions.
pub struct Hashing {
    header: Vec<u8>,
    place: Place,
    body: Body,
    hash: digest::Context,
    /// What of the body is to be hashed next.
    out: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
}

/// What was learnt of a message: all that its signatures need.
#[derive(Debug)]
pub struct Hashed {
    /// The fields.
    header: Vec<u8>,
    /// SHA-256 of the canonical body.
    body: Vec<u8>,
}

/// Signatures of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// The fields that are to stand above all others, with CRLF line ends.
    pub fields: Vec<u8>,
    /// Who signs: the value of `d=`.
    pub domain: String,
}

impl Default for Hashing {
    fn default() -> Self {
        let hash = digest::Context::new(&digest::SHA256);
        Hashing { header: Vec::new(), place: Place::Header, body: Body::default(), hash, out: Vec::new() }
    }
}

impl Hashing {
    /// The next octets, with CRLF line ends and without dot-stuffing.
    pub fn push(&mut self, octets: &[u8]) {
        if self.place == Place::Body {
            return self.push_body(octets);
        }
        // The end may stand across two blocks.
        let from = self.header.len().saturating_sub(3);
        self.header.extend_from_slice(octets);
        let end = match self.header.starts_with(b"\r\n") {
            true => Some((0, 2)),
            false => {
                let found = self.header[from..].windows(4).position(|octets| octets == b"\r\n\r\n");
                found.map(|at| (from + at + 2, from + at + 4))
            }
        };
        if let Some((header, body)) = end {
            let rest = self.header.split_off(body);
            self.header.truncate(header);
            self.place = Place::Body;
            self.push_body(&rest);
        }
    }

    fn push_body(&mut self, octets: &[u8]) {
        self.body.push(octets, &mut self.out, |canonical| self.hash.update(canonical));
    }

    /// All of the message was given.
    pub fn finish(self) -> Hashed {
        Hashed { header: self.header, body: self.hash.finish().as_ref().to_vec() }
    }
}

impl Hashed {
    /// The signatures, one for each key.
    ///
    /// `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub fn signatures(&self, signer: &Signer, now: u64) -> Result<Signatures, Unsigned> {
        let fields = fields(&self.header);
        let domain = signer.choose(&self.header, &fields)?;
        let selection = Selection::of(&self.header, &fields);
        let mut out = Signatures { fields: Vec::new(), domain };
        for (selector, key) in &signer.keys {
            let unsigned = field::unsigned(key.algorithm(), &out.domain, selector, now, &selection, &self.body);
            let signature = key.sign(&selection.hash_input(&unsigned));
            field::complete(&unsigned, &signature.map_err(|_| Unsigned::Failed(selector.clone()))?, &mut out.fields);
        }
        Ok(out)
    }
}

/// SHA-256 of these octets.
pub fn sha256(octets: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, octets).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn hashed(text: &[u8], block: usize) -> (String, String) {
        let mut hashing = Hashing::default();
        text.chunks(block).for_each(|block| hashing.push(block));
        let Hashed { header, body } = hashing.finish();
        (header.escape_ascii().to_string(), STANDARD.encode(body))
    }

    /// P-374: the body hashes of an empty body and of RFC 6376 section 3.4.5.
    #[test]
    fn header_and_body_are_told_apart_wherever_a_block_ends() {
        const A_X: &str = "J4BFHG8jO6Gb5p6quJIT1004WynilQ+SDhepAmwgmhU=";
        const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for (text, header, body) in [
            (
                &b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"[..],
                "A: X\\r\\nB : Y\\t\\r\\n\\tZ  \\r\\n",
                "unak6JHq0wL+Q1HP7dW1tjBx9FLA6DffoZ0qrLwbbpo=",
            ),
            (b"A: X\r\n\r\n", "A: X\\r\\n", EMPTY),
            (b"A: X\r\n\r\n\r\n \r\n", "A: X\\r\\n", EMPTY),
            (b"\r\nA: X\r\n", "", A_X),
        ] {
            for block in 1..=text.len() {
                let found = hashed(text, block);
                assert_eq!(found.0, header, "{block}");
                assert_eq!(found.1, body, "{block}");
            }
        }
    }

    fn choose(domains: &[&str], header: &str) -> Result<String, String> {
        let signer = Signer::new(domains.iter().map(|domain| (*domain).to_owned()).collect(), Vec::new());
        signer.choose(header.as_bytes(), &fields(header.as_bytes())).map_err(|why| why.to_string())
    }

    /// P-378: the domain is that of From, or the nearest above it that there is a key for.
    #[test]
    fn the_domain_that_signs_is_that_of_the_author() {
        let both = ["example.org", "lists.example.org"];
        for (domains, header, expected) in [
            (&[][..], "From: Al <al@Sub.Example.ORG>\r\n", Ok("sub.example.org")),
            (&[], "From: al@b\u{fc}cher.example\r\n", Ok("xn--bcher-kva.example")),
            (&both, "From: al@example.org\r\n", Ok("example.org")),
            (&both, "From: al@EXAMPLE.org\r\n", Ok("example.org")),
            (&both, "From: al@a.lists.example.org\r\n", Ok("lists.example.org")),
            (&both, "From: x@y.test, al@mail.example.org\r\n", Ok("example.org")),
            (&both, "From: al@notexample.org\r\n", Err("its author is of notexample.org")),
            (&both, "From: al@example.org.evil.test\r\n", Err("its author is of example.org.evil.test")),
            (&[], "From: al@[192.0.2.1]\r\n", Err("its author is of [192.0.2.1]")),
            (&[], "Subject: s\r\n", Err("its From field has no address")),
            (&[], "From: nobody\r\n", Err("its From field has no address")),
            (&both, "Sender: al@example.org\r\nFrom: x@y.test\r\n", Err("its author is of y.test")),
        ] {
            match (choose(domains, header), expected) {
                (Ok(domain), Ok(expected)) => assert_eq!(domain, expected, "{header}"),
                (Err(words), Err(expected)) => assert!(words.starts_with(expected), "{header}: {words}"),
                (found, _) => panic!("{header}: {found:?}"),
            }
        }
    }
}
