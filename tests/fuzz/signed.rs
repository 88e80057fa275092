//! What a DKIM signature covers, seen through a key that gives back what it is to sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthaste::message::dkim::{Algorithm, Hashing, Sign, Signer, SigningFailed};
use posthaste::message::header::fields;
use posthaste::smtp::framing::{Dots, Framer};

struct Mirror;

impl Sign for Mirror {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519Sha256
    }

    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        Ok(octets.to_vec())
    }
}

/// What is signed is the same in whatever pieces the message comes, has the form that RFC 6376 section 3.4 asks for, and is the
/// same again when that form is what is signed.
pub fn dkim(octets: &[u8]) {
    let (mut message, mut framer) = (Vec::new(), Framer::new(Dots::Keep));
    framer.push(&[b"From: a@x.test\n", octets].concat(), &mut message);
    framer.finish(&mut message);
    let whole = signed(&message, message.len());
    for piece in [1, 7] {
        assert_eq!(signed(&message, piece), whole, "in pieces of {piece}: {}", octets.escape_ascii());
    }
    let Some((header, body_hash)) = whole else { return };
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        let shown = line.escape_ascii();
        let colon = line.iter().position(|octet| *octet == b':').unwrap_or_else(|| panic!("{shown}"));
        let (name, value) = (&line[..colon], line[colon + 1..].strip_suffix(b"\r\n").unwrap());
        assert!(!name.iter().any(|octet| octet.is_ascii_uppercase() || octet.is_ascii_whitespace()), "{shown}");
        assert!(!value.contains(&b'\r') && !value.contains(&b'\t'), "{shown}");
        assert!(!value.starts_with(b" ") && !value.ends_with(b" "), "{shown}");
        assert!(!value.windows(2).any(|two| two == b"  "), "{shown}");
    }
    let canonical = relaxed(&message);
    assert_eq!(signed(&canonical, 1000), Some((header, body_hash)), "{}", octets.escape_ascii());
}

/// The canonical fields and the hash of the body, where the message can be signed.
fn signed(message: &[u8], piece: usize) -> Option<(Vec<u8>, String)> {
    let mut hashing = Hashing::default();
    message.chunks(piece).for_each(|piece| hashing.push(piece));
    let signer = Signer::new(Vec::new(), vec![("s".to_owned(), Box::new(Mirror))]);
    let text = String::from_utf8(hashing.finish().signatures(&signer, 0).ok()?.fields).unwrap();
    let text: String = text.split_ascii_whitespace().collect();
    let (tags, signature) = text.rsplit_once(";b=").unwrap();
    let mut header = STANDARD.decode(signature).unwrap();
    let own = memchr::memmem::rfind(&header, b"dkim-signature:v=1; ").unwrap();
    header.truncate(own);
    Some((header, tags.rsplit_once(";bh=").unwrap().1.to_owned()))
}

/// A message in its canonical form, made in the plainest way.
fn relaxed(message: &[u8]) -> Vec<u8> {
    let end = match message.starts_with(b"\r\n") {
        true => 0,
        false => memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 2),
    };
    let (header, body) = message.split_at(end);
    let mut canonical = Vec::new();
    for field in fields(header) {
        canonical.extend(header[field.name].to_ascii_lowercase());
        canonical.push(b':');
        let value: Vec<u8> = header[field.value].iter().filter(|octet| !b"\r\n".contains(octet)).copied().collect();
        canonical.extend(words(&value, false));
        canonical.extend(b"\r\n");
    }
    let lines: Vec<Vec<u8>> = body
        .split_inclusive(|octet| *octet == b'\n')
        .skip(1)
        .map(|line| words(line.strip_suffix(b"\r\n").unwrap(), true))
        .collect();
    let text = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    canonical.extend(b"\r\n");
    for line in &lines[..text] {
        canonical.extend(line);
        canonical.extend(b"\r\n");
    }
    canonical
}

/// Words with one space between them, and one before the first where that counts.
fn words(line: &[u8], is_body: bool) -> Vec<u8> {
    let blank = |octet: &u8| b" \t".contains(octet);
    let words: Vec<&[u8]> = line.split(blank).filter(|word| !word.is_empty()).collect();
    let begins = is_body && !words.is_empty() && line.first().is_some_and(blank);
    [if begins { &b" "[..] } else { b"" }, &words.join(&b' ')].concat()
}
