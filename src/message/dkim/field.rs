//! The DKIM-Signature field: which fields it covers, and what stands in it (RFC 6376 sections 3.5 and 5.4).

use super::{Algorithm, canonical};
use crate::message::header::Field;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;

/// Named once more than they are there, so that nobody can add another one (RFC 6376 section 8.15).
const OVERSIGNED: [&str; 10] = [
    "From",
    "Reply-To",
    "Subject",
    "To",
    "Cc",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// The same where they are there. A server may add those that are not (RFC 6409 sections 8.2 and 8.3).
const OVERSIGNED_IF_PRESENT: [&str; 2] = ["Date", "Message-ID"];

/// Signed as often as they are there: lists add these. Return-Path, Received, Comments, Keywords and Bcc are not
/// (section 5.4.1), nor are signatures.
const SIGNED: [&str; 2] = ["Sender", "Auto-Submitted"];
const SIGNED_PREFIXES: [&str; 3] = ["content-", "list-", "resent-"];

/// Whether a field of this name cannot be added to a signed message that has none.
pub fn is_oversigned(name: &str) -> bool {
    OVERSIGNED.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The fields that a signature covers.
pub(super) struct Selection {
    /// The names in the order in which their fields are hashed.
    names: Vec<String>,
    /// The canonical fields.
    canonical: Vec<u8>,
}

impl Selection {
    /// Chooses of a header. Fields of one name are taken from the last one up (RFC 6376 section 5.4.2).
    pub(super) fn of(header: &[u8], fields: &[Field]) -> Self {
        let mut by_name: HashMap<String, Vec<&Field>> = HashMap::new();
        let mut others = Vec::new();
        for field in fields {
            let name = String::from_utf8_lossy(&header[field.name.clone()]);
            let alike = by_name.entry(name.to_ascii_lowercase()).or_default();
            if alike.is_empty() && is_signed(&name) {
                others.push(name.into_owned());
            }
            alike.push(field);
        }
        let mut selection = Selection { names: Vec::new(), canonical: Vec::new() };
        let mut add = |name: &str| {
            let alike = by_name.get(&name.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default();
            selection.add(name, header, alike);
            if is_oversigned(name) || (OVERSIGNED_IF_PRESENT.contains(&name) && !alike.is_empty()) {
                selection.names.push(name.to_owned());
            }
        };
        OVERSIGNED.into_iter().chain(OVERSIGNED_IF_PRESENT).for_each(&mut add);
        others.iter().for_each(|name| add(name));
        selection
    }

    fn add(&mut self, name: &str, header: &[u8], alike: &[&Field]) {
        for field in alike.iter().rev() {
            self.names.push(name.to_owned());
            canonical::field(&header[field.name.clone()], &header[field.value.clone()], &mut self.canonical);
        }
    }

    /// What is hashed and signed: the fields, and that of the signature without its value and without its last CRLF
    /// (RFC 6376 section 3.7).
    pub(super) fn hash_input(&self, unsigned: &[u8]) -> Vec<u8> {
        let mut input = self.canonical.clone();
        let colon = NAME.len();
        canonical::field(NAME.as_bytes(), &unsigned[colon + 1..], &mut input);
        input.truncate(input.len() - 2);
        input
    }
}

/// Whether a field of this name is signed where it is there, and has no rule of its own. A name with a semicolon, which
/// RFC 5322 allows, would end the list of names.
fn is_signed(name: &str) -> bool {
    let begins = |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let alike = |known: &&str| known.eq_ignore_ascii_case(name);
    let is_plain = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let has_rule = OVERSIGNED.iter().chain(&OVERSIGNED_IF_PRESENT).any(alike);
    is_plain && !has_rule && (SIGNED.iter().any(alike) || SIGNED_PREFIXES.iter().any(begins))
}

const NAME: &str = "DKIM-Signature";

/// A line of the field is ended behind so many octets where it can be.
const WIDTH: usize = 76;

/// The field up to `b=`, which is the last tag.
pub(super) fn unsigned(
    algorithm: Algorithm,
    domain: &str,
    selector: &str,
    now: u64,
    selection: &Selection,
    body_hash: &[u8],
) -> Vec<u8> {
    let mut field = format!(
        "{NAME}: v=1; a={}; c=relaxed/relaxed;\r\n\td={domain};\r\n\ts={selector}; t={now};\r\n\th=",
        algorithm.name()
    );
    let mut width = "\th=".len();
    for (at, name) in selection.names.iter().enumerate() {
        if at > 0 {
            field.push(':');
            width += 1;
        }
        if width + name.len() >= WIDTH {
            field.push_str("\r\n\t ");
            width = 2;
        }
        field.push_str(name);
        width += name.len();
    }
    field.push_str(&format!(";\r\n\tbh={};\r\n\tb=", STANDARD.encode(body_hash)));
    field.into_bytes()
}

/// Puts the whole field at the end of `out`.
pub(super) fn complete(unsigned: &[u8], signature: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(unsigned);
    let mut room = WIDTH - "\tb=".len();
    let signature = STANDARD.encode(signature);
    let mut rest = signature.as_str();
    while rest.len() > room {
        let (line, behind) = rest.split_at(room);
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n\t ");
        rest = behind;
        room = WIDTH - 2;
    }
    out.extend_from_slice(rest.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::{Hashing, sha256};
    use super::*;
    use crate::message::header::fields;

    fn select(header: &str) -> (String, String) {
        let selection = Selection::of(header.as_bytes(), &fields(header.as_bytes()));
        (selection.names.join(":"), String::from_utf8(selection.canonical).unwrap())
    }

    /// P-376: RFC 8463 appendix A, whose field has other names in another order than ours.
    #[test]
    fn hash_input_of_rfc_8463() {
        let header = "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n\
            Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
            Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
        let body = "\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
        let mut hashing = Hashing::default();
        hashing.push(header.as_bytes());
        hashing.push(body.as_bytes());
        let hashed = hashing.finish();
        assert_eq!(STANDARD.encode(&hashed.body), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
        let mut selection = Selection { names: Vec::new(), canonical: Vec::new() };
        for field in &fields(header.as_bytes()) {
            selection.add("x", header.as_bytes(), &[field]);
        }
        let unsigned = b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; \
            i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : \
            message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let hash = sha256(&selection.hash_input(unsigned));
        assert_eq!(STANDARD.encode(hash), "SM6aLHEOzhcQ/xVplrg2p/RUcOQ+/lZDB01uFpDtYuc=");
    }

    /// P-372: what a reader sees is named once more than it is there, and the signature never names itself.
    #[test]
    fn fields_that_are_signed() {
        let (names, _) = select(
            "Return-Path: <x>\r\nReceived: by x\r\nDKIM-Signature: v=1; b=x\r\nFrom: a@x\r\nSUBJECT: s\r\n\
            Comments: c\r\nKeywords: k\r\nSender: b@x\r\nlist-id: l\r\nX-Mailer: m\r\nList-x;y: z\r\nresent-to: r\r\n",
        );
        assert_eq!(
            names,
            "From:From:Reply-To:Subject:Subject:To:Cc:In-Reply-To:References:MIME-Version:Content-Type:\
             Content-Transfer-Encoding:Sender:list-id:resent-to"
        );
        assert!(select("Date: d\r\nMessage-ID: m\r\n").0.ends_with("Date:Date:Message-ID:Message-ID"));
    }

    /// P-373: from the last one up.
    #[test]
    fn fields_of_one_name_are_taken_from_below() {
        let (names, canonical) = select("To: 1\r\nSubject: s\r\nTo: 2\r\nTo:  3 \r\n");
        assert_eq!(canonical, "subject:s\r\nto:3\r\nto:2\r\nto:1\r\n");
        assert!(names.contains("To:To:To:To:Cc"), "{names}");
    }

    /// P-371 P-377: tags, folds between them, and nothing behind `b=`.
    #[test]
    fn the_field_is_folded_between_its_tags() {
        let header = format!("From: a@x\r\n{}", "References: <1@x>\r\n".repeat(30));
        let selection = Selection::of(header.as_bytes(), &fields(header.as_bytes()));
        let unsigned = unsigned(Algorithm::RsaSha256, "x.test", "s.t", 17, &selection, &[0; 32]);
        let mut field = Vec::new();
        complete(&unsigned, &[0xfb; 256], &mut field);
        let field = String::from_utf8(field).unwrap();
        assert!(field.ends_with("\r\n") && field.trim_end().split("\r\n").all(|line| line.len() <= 78), "{field}");
        let (head, tags) = field.split_once(':').unwrap();
        assert_eq!(head, "DKIM-Signature");
        let text: String = tags.chars().filter(|c| !c.is_whitespace()).collect();
        let tags: Vec<(&str, &str)> = text.split(';').map(|tag| tag.split_once('=').unwrap()).collect();
        let known: Vec<&str> = tags.iter().map(|tag| tag.0).collect();
        assert_eq!(known, ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]);
        assert_eq!(
            tags[..6].iter().map(|tag| tag.1).collect::<Vec<_>>(),
            ["1", "rsa-sha256", "relaxed/relaxed", "x.test", "s.t", "17"]
        );
        assert_eq!(tags[6].1, selection.names.join(":"));
        assert_eq!(STANDARD.decode(tags[8].1).unwrap(), [0xfb; 256]);
        assert!(selection.hash_input(&unsigned).ends_with(b"; b="));
    }
}
