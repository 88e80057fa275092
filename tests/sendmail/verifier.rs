//! A verifier of DKIM signatures (RFC 6376 section 6.1), which has the whole message in memory and takes nothing from the
//! program but its key records.

use std::collections::HashMap;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::{digest, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
#[cfg(not(feature = "aws-lc-rs"))]
use ring::{digest, signature};

/// A signature that fits: its tags.
pub type Tags = HashMap<String, String>;

/// The texts of key records, by the names of the records.
pub fn records(zone: &str) -> HashMap<String, String> {
    let lines = zone.lines().filter(|line| !line.starts_with(';'));
    lines
        .map(|line| {
            let (name, text) = line.split_once(". IN TXT ").unwrap();
            (name.to_owned(), text.split('"').skip(1).step_by(2).collect())
        })
        .collect()
}

/// Verifies each signature of a message, in their order.
pub fn verify(message: &[u8], records: &HashMap<String, String>) -> Vec<Result<Tags, String>> {
    let split = memchr::memmem::find(message, b"\r\n\r\n").unwrap();
    let (header, body) = (fields(&message[..split + 2]), &message[split + 4..]);
    let signatures = header.iter().filter(|field| name(field) == "dkim-signature");
    signatures.map(|field| verify_one(field, &header, body, records)).collect()
}

fn verify_one(field: &str, header: &[String], body: &[u8], records: &HashMap<String, String>) -> Result<Tags, String> {
    let tags = tags(field.split_once(':').unwrap().1);
    if tags["v"] != "1" || tags["c"] != "relaxed/relaxed" || tags.contains_key("l") {
        return Err(format!("tags {tags:?}"));
    }
    if STANDARD.encode(sha256(&relaxed_body(body))) != tags["bh"] {
        return Err("body hash".to_owned());
    }
    let mut left: Vec<&String> = header.iter().collect();
    let mut input = String::new();
    for wanted in tags["h"].split(':') {
        if let Some(at) = left.iter().rposition(|field| name(field) == wanted.to_ascii_lowercase()) {
            input.push_str(&relaxed_field(left.remove(at)));
        }
    }
    let unsigned = &field[..field.rfind("b=").unwrap() + 2];
    input.push_str(relaxed_field(unsigned).trim_end_matches("\r\n"));
    let record = records.get(&format!("{}._domainkey.{}", tags["s"], tags["d"])).ok_or("no record")?;
    let key = self::tags(record);
    let public = STANDARD.decode(&key["p"]).unwrap();
    let signature = STANDARD.decode(&tags["b"]).unwrap();
    let verified = match (tags["a"].as_str(), key["k"].as_str()) {
        ("ed25519-sha256", "ed25519") => signature::UnparsedPublicKey::new(&signature::ED25519, &public)
            .verify(&sha256(input.as_bytes()), &signature),
        // What stands before the RSAPublicKey in a SubjectPublicKeyInfo of 2048 bits has 24 octets.
        ("rsa-sha256", "rsa") => {
            signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &public[24..])
                .verify(input.as_bytes(), &signature)
        }
        other => return Err(format!("{other:?}")),
    };
    verified.map(|()| tags).map_err(|_| "signature".to_owned())
}

fn sha256(octets: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, octets).as_ref().to_vec()
}

fn fields(header: &[u8]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in String::from_utf8(header.to_vec()).unwrap().split_inclusive("\r\n") {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(line),
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

fn name(field: &str) -> String {
    field.split(':').next().unwrap().trim_end().to_ascii_lowercase()
}

fn tags(text: &str) -> Tags {
    let without_blanks = |text: &str| text.split_ascii_whitespace().collect::<String>();
    let tags = text.split(';').filter_map(|tag| tag.split_once('='));
    tags.map(|(tag, value)| (without_blanks(tag), without_blanks(value))).collect()
}

fn relaxed_field(field: &str) -> String {
    let value = field.split_once(':').unwrap().1.replace("\r\n", "");
    let words: Vec<&str> = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}\r\n", name(field), words.join(" "))
}

fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut canonical = Vec::new();
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let mut line = line.strip_suffix(b"\r\n").unwrap().to_vec();
        line.iter_mut().filter(|octet| **octet == b'\t').for_each(|octet| *octet = b' ');
        line.dedup_by(|a, b| *a == b' ' && *b == b' ');
        if line.last() == Some(&b' ') {
            line.pop();
        }
        canonical.extend_from_slice(&line);
        canonical.extend_from_slice(b"\r\n");
    }
    while canonical.ends_with(b"\r\n\r\n") || canonical == b"\r\n" {
        canonical.truncate(canonical.len() - 2);
    }
    canonical
}
