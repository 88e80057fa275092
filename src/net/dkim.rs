//! Keys for DKIM: read from PEM, made anew, and at work on a message, block by block.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use x509_cert::der::asn1::{BitString, Null};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Any, Encode as _};
use x509_cert::spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::{error::KeyRejected, rand::SystemRandom, signature};
#[cfg(not(feature = "aws-lc-rs"))]
use ring::{error::KeyRejected, rand::SystemRandom, signature};

use signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};

use crate::config::account::Dkim;
use crate::config::secret::{self, SecretError};
use crate::message::dkim::{Algorithm, Hashing, Sign, Signatures, Signer, SigningFailed, Unsigned, sha256};
use crate::message::{Message, More, Source as _};
use crate::smtp::framing::{Dots, Framer};

/// A private key for signatures.
pub enum Key {
    /// RSA of 2048 to 4096 bits, where ring is the provider; aws-lc-rs takes 8192.
    Rsa(Box<RsaKeyPair>),
    /// Ed25519.
    Ed25519(Ed25519KeyPair),
}

/// Why a file has no key that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not PEM, or holds something else: what.
    #[error("it holds no private key in PEM: {0}")]
    NoKey(String),
    /// A key of RSA that is too short (RFC 8301 section 3.2 has 1024 bits as the least, and wishes for 2048).
    #[error("its RSA key has less than 2048 bits; `posthaste dkim keygen` makes a longer one")]
    TooShort,
    /// One that the provider of cryptography refuses: its word.
    #[error("its key is neither RSA nor Ed25519, or is broken ({0})")]
    Rejected(String),
}

/// What keygen makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of so many bits.
    Rsa(Bits),
    /// Ed25519.
    Ed25519,
}

/// The size of an RSA key that verifiers must take (RFC 8301 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bits {
    /// 2048.
    #[default]
    B2048,
    /// 3072.
    B3072,
    /// 4096.
    B4096,
}

impl Key {
    /// Reads a key in PKCS#8 or, of RSA, in PKCS#1.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
            KeyError::NoKey(match error {
                PemError::NoItemsFound if pem.windows(9).any(|octets| octets == b"ENCRYPTED") => {
                    "it is encrypted".to_owned()
                }
                PemError::NoItemsFound => "none was found".to_owned(),
                _ => "its text is damaged".to_owned(),
            })
        })?;
        match key {
            PrivateKeyDer::Pkcs8(der) => {
                // What OpenSSL writes has no public key beside the private one.
                if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()) {
                    return Ok(Key::Ed25519(key));
                }
                rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()))
            }
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
            _ => Err(KeyError::Rejected("WrongAlgorithm".to_owned())),
        }
    }

    /// Makes a key, and gives its file: PKCS#8 in PEM.
    ///
    /// # Errors
    /// In words, when there are no random numbers, or when the provider makes no such keys.
    pub fn generate(kind: KeyKind) -> Result<Zeroizing<String>, String> {
        match kind {
            KeyKind::Ed25519 => {
                let mut der = Zeroizing::new(ED25519.to_vec());
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(&mut seed[..]).map_err(|_| "the system gave no random numbers".to_owned())?;
                der.extend_from_slice(&seed[..]);
                Ok(pem(&der))
            }
            KeyKind::Rsa(bits) => generate_rsa(bits).map(|der| pem(&der)),
        }
    }

    /// What `p=` of its record has: the SubjectPublicKeyInfo (RFC 5280) of RSA, the 32 octets of Ed25519 (RFC 8463 section
    /// 4).
    pub fn public(&self) -> Vec<u8> {
        match self {
            Key::Rsa(key) => public_key_info(key.public_key().as_ref()),
            Key::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }
}

/// What stands before the 32 octets of a key in PKCS#8 (RFC 8410 section 7). The providers would add the public key, which
/// OpenSSL 3.0 does not read.
const ED25519: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

fn rsa(key: Result<RsaKeyPair, KeyRejected>) -> Result<Key, KeyError> {
    key.map(|key| Key::Rsa(Box::new(key))).map_err(|rejected| match rejected.to_string().as_str() {
        "TooSmall" => KeyError::TooShort,
        word => KeyError::Rejected(word.to_owned()),
    })
}

#[cfg(feature = "aws-lc-rs")]
fn generate_rsa(bits: Bits) -> Result<Zeroizing<Vec<u8>>, String> {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    let size = match bits {
        Bits::B2048 => KeySize::Rsa2048,
        Bits::B3072 => KeySize::Rsa3072,
        Bits::B4096 => KeySize::Rsa4096,
    };
    let cannot = |_| "the key could not be made".to_owned();
    let key = RsaKeyPair::generate(size).map_err(cannot)?;
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(cannot)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

#[cfg(not(feature = "aws-lc-rs"))]
fn generate_rsa(bits: Bits) -> Result<Zeroizing<Vec<u8>>, String> {
    let bits = match bits {
        Bits::B2048 => 2048,
        Bits::B3072 => 3072,
        Bits::B4096 => 4096,
    };
    Err(format!(
        "this build makes no RSA keys; openssl does: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{bits}"
    ))
}

#[cfg(feature = "aws-lc-rs")]
fn modulus_len(key: &RsaKeyPair) -> usize {
    key.public_modulus_len()
}

#[cfg(not(feature = "aws-lc-rs"))]
fn modulus_len(key: &RsaKeyPair) -> usize {
    key.public().modulus_len()
}

/// RSAPublicKey (RFC 8017 appendix A.1.1) with the name of its algorithm.
fn public_key_info(key: &[u8]) -> Vec<u8> {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    let algorithm = AlgorithmIdentifier { oid: RSA, parameters: Some(Any::from(Null)) };
    let info =
        BitString::from_bytes(key).map(|subject_public_key| SubjectPublicKeyInfo { algorithm, subject_public_key });
    info.and_then(|info| info.to_der()).unwrap_or_default()
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new("-----BEGIN PRIVATE KEY-----\n".to_owned());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = behind;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

impl Sign for Key {
    fn algorithm(&self) -> Algorithm {
        match self {
            Key::Rsa(_) => Algorithm::RsaSha256,
            Key::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        match self {
            Key::Rsa(key) => {
                let mut signature = vec![0; modulus_len(key)];
                let padding = &signature::RSA_PKCS1_SHA256;
                key.sign(padding, &SystemRandom::new(), octets, &mut signature).map_err(|_| SigningFailed)?;
                Ok(signature)
            }
            Key::Ed25519(key) => Ok(key.sign(&sha256(octets)).as_ref().to_vec()),
        }
    }
}

/// Why an account cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The file cannot be read, or must not be.
    #[error(transparent)]
    File(#[from] SecretError),
    /// It can, and has no good key.
    #[error("dkim-key {path} cannot be used: {error}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong.
        error: KeyError,
    },
}

/// Whoever signs for an account.
///
/// # Errors
/// [`SignerError`].
pub fn signer(dkim: &Dkim) -> Result<Signer, SignerError> {
    let mut keys: Vec<(String, Box<dyn Sign>)> = Vec::new();
    for key in &dkim.keys {
        keys.push((key.selector.clone(), Box::new(read_key(&key.file)?)));
    }
    Ok(Signer::new(dkim.domains.clone(), keys))
}

/// The key in a file that nobody else can read.
///
/// # Errors
/// [`SignerError`].
pub fn read_key(path: &std::path::Path) -> Result<Key, SignerError> {
    let pem = secret::key_file(path)?;
    Key::from_pem(&pem).map_err(|error| SignerError::Key { path: path.display().to_string(), error })
}

/// A message that is being signed.
pub struct Signing<'a> {
    message: &'a mut Message,
    hashing: Hashing,
    framer: Framer,
    block: Vec<u8>,
    wire: Vec<u8>,
}

impl<'a> Signing<'a> {
    /// Begins at the first octet.
    ///
    /// # Errors
    /// When the message cannot be read again.
    pub fn new(message: &'a mut Message) -> io::Result<Self> {
        message.rewind()?;
        let framer = Framer::new(Dots::Keep);
        Ok(Signing { message, hashing: Hashing::default(), framer, block: Vec::new(), wire: Vec::new() })
    }

    /// Reads the next block (of about 64 KiB).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn step(&mut self) -> io::Result<More> {
        self.block.clear();
        self.wire.clear();
        let more = self.message.read_block(&mut self.block)?;
        self.framer.push(&self.block, &mut self.wire);
        if more == More::No {
            self.framer.finish(&mut self.wire);
        }
        self.hashing.push(&self.wire);
        Ok(more)
    }

    /// Signs, when all was read, and gives the domain that signs.
    ///
    /// # Errors
    /// [`Unsigned`]: the message stays as it is.
    pub fn finish(self, signer: &Signer) -> Result<String, Unsigned> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let Signatures { fields, domain } = self.hashing.finish().signatures(signer, now)?;
        self.message.add_signatures(&fields);
        Ok(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-376: RFC 8463 appendix A.2. Ed25519 has one signature for a key and a text.
    #[test]
    fn signature_of_rfc_8463() {
        let seed = STANDARD.decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
        let key = Key::from_pem(pem(&[&ED25519[..], &seed].concat()).as_bytes()).unwrap();
        assert_eq!(STANDARD.encode(key.public()), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let input = b"from:Joe SixPack <joe@football.example.com>\r\nto:Suzie Q <suzie@shopping.example.net>\r\n\
            subject:Is dinner ready?\r\ndate:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
            message-id:<20030712040037.46341.5F8J@football.example.com>\r\ndkim-signature:v=1; a=ed25519-sha256; \
            c=relaxed/relaxed; d=football.example.com; i=@football.example.com; q=dns/txt; s=brisbane; t=1528637909; \
            h=from : to : subject : date : message-id : from : subject : date; \
            bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=";
        assert_eq!(
            STANDARD.encode(key.sign(input).unwrap()),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
        );
    }

    /// RSASSA-PKCS1-v1_5 has one signature for a key and a text, too: OpenSSL's, by its SHA-256.
    #[test]
    fn signature_of_openssl() {
        let der = STANDARD.decode(LONG.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
        // PKCS#8 has PKCS#1 at its end.
        let pkcs1 = pem(&der[26..]).replace(" PRIVATE", " RSA PRIVATE");
        for text in [LONG, &pkcs1] {
            let key = Key::from_pem(text.as_bytes()).unwrap();
            assert_eq!(key.algorithm(), Algorithm::RsaSha256);
            let hash = |octets: &[u8]| STANDARD.encode(sha256(octets));
            assert_eq!(hash(&key.public()), "yYR5k2drjlk5RPX5v8VmPFNhMrxl7njCgh9N0XyquBs=");
            let signature = key.sign(b"from:a@x.test\r\n").unwrap();
            assert_eq!(hash(&signature), "GNwwwI5wImAVH2kmIXo6JPD6+U5A/X7EkmKp4moDorY=");
        }
    }

    /// P-375: a key of 512 bits, and what is no key at all.
    #[test]
    fn what_is_no_good_key_is_refused_in_words() {
        let table = [
            (SHORT, "its RSA key has less than 2048 bits"),
            ("", "it holds no private key in PEM: none was found"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "none was found"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "it is encrypted"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "its text is damaged"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "neither RSA nor Ed25519"),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "neither RSA nor Ed25519"),
        ];
        for (pem, words) in table {
            let error = Key::from_pem(pem.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(words), "{pem}: {error}");
        }
    }

    #[test]
    fn keys_that_are_made_can_be_read() {
        let kinds = [KeyKind::Ed25519, KeyKind::Rsa(Bits::B2048)];
        for kind in &kinds[..if cfg!(feature = "aws-lc-rs") { 2 } else { 1 }] {
            let [first, second] = [0; 2].map(|_| Key::generate(*kind).unwrap());
            assert_ne!(*first, *second);
            assert!(first.lines().all(|line| line.len() <= 64));
            let key = Key::from_pem(first.as_bytes()).unwrap();
            let length = match kind {
                KeyKind::Ed25519 => (32, 64),
                // SubjectPublicKeyInfo has 294 octets with a modulus of 256 (RFC 6376 appendix C).
                KeyKind::Rsa(_) => (294, 256),
            };
            assert_eq!((key.public().len(), key.sign(b"x").unwrap().len()), length);
        }
    }

    const LONG: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDu7MHEi2aH7ImJ\n\
        MNJL3+JIJslqXoWH1vtvkPA+tgfwSCef1gLWLmijzt//LLs6cmVeJps+/8gghSXB\n\
        eo34ty1XVqDUnTZX3YwJY/7YXf6HjMa1f5mLeG4pMDsuHnV9yzYp7mOcDx0ATAKu\n\
        hu1QxPSSLHCPGOLSSrMYKGZmVFoVoRR54SxqlyW7rTNZFwZtlLTifRBFb4g7QQZJ\n\
        O3b79joUcmQdxD7ZZVAH34QYuGzEk3i+eNx7AZP322vLU55yDYkSmout4EEU7twZ\n\
        dvVw5UalzhapITuZxshxswMlaETw+jh0Jd09SYrXFhOdw6cFjDkPHX8skrV9LydK\n\
        EXGRUhSZAgMBAAECggEABtWjidZ7K3x2UeQMAfhgrKkdC3OdJ33RzGGq+P+ZR3Py\n\
        8Tksny6YQZuoJUXPlxw2XtylGyazNXia6WzSwph6fdmi07jUY6v5Brw96iJ53AFd\n\
        3kuCVjQO16izQAObn1/IoqdYzATT0tePHz8Jaxfv5JNhnBBNeGVDYqz7gpDGERav\n\
        5vzwlwB9tayDdz8EVj+qnZSEIHRrrJBuFJQIJsb8YXV9ozJnpMb94/6n1RQ73YDs\n\
        fH2aDdIPSxtOKq7E73ZvY6jPjIpLisYB2sYF99EMy7orIBe11IzN7krzeBRsqnSO\n\
        uqK6jPIGB3QMCfgCoTqCoIxa3G/eKDNEDHoaJwilwQKBgQD8c1hdsILIG+ZdbQ8v\n\
        hUXE/LAgiTAUFi0kYB0yAGIk5c8PvMSlE+IBPg9T5e/j1BnUZOWwMml1BZ+egEeY\n\
        itCRxcLHPDSOXeLQbmS+yiN/PQr0OfOo09ApG8K6bjadrAebjOKjRyeSUE+mmNH9\n\
        UGxc/o+27CQHvOUml7jZiT+HwQKBgQDySLpgqRQu5mKACgp08cl8I8FtHoJtcEyh\n\
        LUt7sXY2beuPOyZkfv4QgRSKVn6kzFb7NGFUhVhxRBK9x12qpEr6Njiv3Jje68AZ\n\
        GnFAPN4n0w1WgW41VCe6TxwlF+lx8Dx+ARghH+QmMhy8L0ZexN8nB+QI1hZws7Je\n\
        0WFYGYiC2QKBgQCLd3XEHLXDs5Yq2wtep3QKBceP0fqbvjymMesvKoMN+1/PQ+wn\n\
        frqHETAKm6dR6GV0r2EtXExid/7c4+Wp4lajkeuvghVO6ZNarwI9XRMLQkAA+Nsh\n\
        1BLWAx4rPKQzq0xwpP64UaEM9g1q7lZkab/UCFaBKiglljfKgFuA4pAUgQKBgQDA\n\
        6XOs/zNY3IvVUylcUCCTvYyHq+FB7ka1lvEhPf3X/NGwq/I31n3I+l42gAQ6h5FC\n\
        V0SgHcR7+y3I+fL0qfghHgcoz8bQyHmeA1XlRhHFN+DI3im4QJeZWuAYEOAJnrUr\n\
        xwdFaLUqTIBgvmuTjcH4u+mvt3cKqan+oUyW702okQKBgAvHp+CMfJwt8CY/Fi+s\n\
        ELO3y7Gh6uyhlgjjE7JwZ82P7g2NNVOE+Nl7VC+j1DBfu7IOaaJAywfwWNbOH+0t\n\
        Z5SArBx8KWEHVMFjq6eIMEDSfpouvVK7G4979IQE/L+AQXRuoZQ0q+6rqbFW1jW4\n\
        djBqZt3HZ8DC8KVcpW+A1jJ9\n\
        -----END PRIVATE KEY-----\n\
        ";

    const SHORT: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEAsohKrwRTJ0eHlhGM\n\
        LgwXKICwhgATKGWdvKDuhjmS2/cQEyE6NOxVU7UEX7Zk84BpD5tG0XkT31WynJss\n\
        6eGSfQIDAQABAkEAon1pe+FzzUxNG0jdTQu0CCkYgN2QkjPqXMQcVA4SnB+8PzKt\n\
        93XV5a2R8M6FP4OQoe1TxqzOpywvTjf2+YhAAQIhANrDINRWLZb0jo5yvo6SZBTv\n\
        N9X3jLsOZ+yPLl7Vyi5NAiEA0OwXjT4t7lKACqu65sy/JLiRoYVR4uS6T/cB7tPR\n\
        7PECIQDQsQVIi03CjFrSmbQf3peLQQpLHHUsnXmWuqDJ57mQoQIgF3gOBT3Q5w65\n\
        d3lnG3owlq1tHpndYwGStFzpCK0ezeECIQCivpftAe94mjDKeCC23u9Y+rbaIiAX\n\
        /7Od1qwabG1bGw==\n\
        -----END PRIVATE KEY-----\n\
        ";
}
