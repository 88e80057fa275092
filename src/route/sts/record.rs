//! The TXT record by which a domain says that it has a policy, and which one (RFC 8461 section 3.1).

use std::fmt;

/// The name of the current policy of a domain: 1 to 32 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(String);

/// Why a domain's records name no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRecord {
    /// There is none of MTA-STS among them.
    None,
    /// There are several, of which none counts.
    Several,
    /// There is one, and it breaks the grammar.
    Invalid,
}

impl Id {
    /// Nothing where it is none.
    pub fn new(text: &str) -> Option<Self> {
        let is_id = (1..=32).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
        is_id.then(|| Id(text.to_owned()))
    }

    /// As it stands in the record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NoRecord {
    /// What is wrong, for people; nothing where nothing is.
    pub fn words(self) -> Option<&'static str> {
        match self {
            NoRecord::None => None,
            NoRecord::Several => Some("more than one record of MTA-STS, so none counts"),
            NoRecord::Invalid => Some("a record of MTA-STS that cannot be read"),
        }
    }
}

/// The policy that the texts of `_mta-sts.DOMAIN` name, each with its pieces joined.
///
/// # Errors
/// [`NoRecord`]; a policy that is known already stays in force then (RFC 8461 section 3.1).
pub fn id(texts: &[Vec<u8>]) -> Result<Id, NoRecord> {
    let mut own = texts.iter().filter(|text| text.starts_with(b"v=STSv1;"));
    match (own.next(), own.next()) {
        (None, _) => Err(NoRecord::None),
        (Some(_), Some(_)) => Err(NoRecord::Several),
        (Some(text), None) => std::str::from_utf8(text).ok().and_then(read).ok_or(NoRecord::Invalid),
    }
}

/// The grammar: fields `NAME=VALUE` with `;` between them, and perhaps at the end. Unknown names are passed over, and of
/// two fields with one name the first counts.
fn read(text: &str) -> Option<Id> {
    let mut id = None;
    let mut fields = text.split(';').peekable();
    while let Some(field) = fields.next() {
        let field = field.trim_matches([' ', '\t']);
        if field.is_empty() && fields.peek().is_none() {
            break;
        }
        let (name, value) = field.split_once('=')?;
        match name {
            "id" if id.is_none() => id = Some(Id::new(value)?),
            _ if is_name(name) && is_value(value) => {}
            _ => return None,
        }
    }
    id
}

pub(super) fn is_name(name: &str) -> bool {
    let is_inner = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
    name.len() <= 32 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(is_inner)
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'=' | b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str]) -> Result<String, NoRecord> {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        id(&texts).map(|id| id.to_string())
    }

    /// P-323: exactly one record that begins as it must, with an id of 1 to 32 letters and digits.
    #[test]
    fn one_record_names_the_policy() {
        for text in [
            "v=STSv1; id=20260101T000000Z",
            "v=STSv1;id=20260101T000000Z",
            "v=STSv1;id=20260101T000000Z;",
            "v=STSv1; id=20260101T000000Z ; ",
            "v=STSv1;\tid=20260101T000000Z; id=2",
            "v=STSv1; a.b-c_1=!x:y; id=20260101T000000Z; z=1",
        ] {
            assert_eq!(found(&[text]).as_deref(), Ok("20260101T000000Z"), "{text}");
            assert_eq!(found(&["v=spf1 -all", text, "", "V=STSV1; id=1"]).as_deref(), Ok("20260101T000000Z"));
            assert_eq!(found(&[text, text]), Err(NoRecord::Several));
        }
        for text in
            ["", "v=spf1 -all", "v=STSv1", "v=STSv1 ; id=1", "V=STSv1; id=1", " v=STSv1; id=1", "v=STSv2; id=1", "id=1"]
        {
            assert_eq!(found(&[text]), Err(NoRecord::None), "{text}");
        }
        for text in [
            "v=STSv1;",
            "v=STSv1; ",
            "v=STSv1; id=",
            "v=STSv1; id=a-b",
            "v=STSv1; id=é",
            "v=STSv1; ID=1",
            "v=STSv1; id = 1",
            "v=STSv1; id=123456789012345678901234567890123",
            "v=STSv1;; id=1",
            "v=STSv1; id=1; x",
            "v=STSv1; id=1; x=",
            "v=STSv1; id=1; x=y=z",
            "v=STSv1; id=1; -x=y",
            "v=STSv1; id=1; x=\u{1}",
        ] {
            assert_eq!(found(&[text]), Err(NoRecord::Invalid), "{text:?}");
        }
        assert_eq!(found(&[]), Err(NoRecord::None));
        assert_eq!(id(&[b"v=STSv1; id=\xff".to_vec()]), Err(NoRecord::Invalid));
        let longest = "v=STSv1; id=12345678901234567890123456789012";
        assert_eq!(found(&[longest]).as_deref(), Ok("12345678901234567890123456789012"));
    }
}
