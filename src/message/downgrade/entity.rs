//! One entity of a message: what its header says of its content, and how it is written anew.

use super::Refusal;
use super::parameters::{self, Labelled};
use crate::message::header::{Field, fields};

/// A header, and what it says.
#[derive(Debug)]
pub(super) struct Entity {
    /// The header, with CRLF, without the empty line at its end.
    pub(super) raw: Vec<u8>,
    pub(super) fields: Vec<Field>,
    pub(super) standing: Standing,
    pub(super) kind: Kind,
    pub(super) label: Label,
    /// Why its header must stay as it is, where that is so: it stands in something signed.
    pub(super) around: Option<Refusal>,
    /// The same for its content.
    pub(super) within: Option<Refusal>,
    /// Whether it is of no doubt where the header ends and what its fields are.
    pub(super) clarity: Clarity,
    /// Whether an empty line ended the header.
    pub(super) blank: Blank,
}

/// What an entity is the content of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The message itself, or one in `message/rfc822`.
    Message,
    /// A part of a multipart.
    Part,
}

/// What a part is that does not say so (RFC 2046 sections 5.1 and 5.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    Text,
    /// In `multipart/digest`.
    Message,
}

/// What an entity is, as far as re-encoding goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text without a Content-Type.
    Unlabelled,
    Text,
    /// A leaf of this other type.
    Other(String),
    /// Parts between delimiters with this boundary.
    Multipart {
        boundary: Vec<u8>,
        default: Default,
    },
    /// A message with a header of its own.
    Message,
    /// It must stay as it is, for this reason.
    Fixed(Refusal),
}

/// The Content-Transfer-Encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    None,
    /// 7bit.
    SevenBit,
    /// 8bit.
    EightBit,
    /// binary.
    Binary,
    /// One that changes the content, or one that nobody knows.
    Encoded(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clarity {
    Clear,
    Unclear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blank {
    Seen,
    Missing,
}

impl Entity {
    /// Reads a header. `around` is what protects the place where it stands.
    pub(super) fn new(
        raw: Vec<u8>,
        standing: Standing,
        default: Default,
        around: Option<Refusal>,
        blank: Blank,
    ) -> Self {
        let fields = fields(&raw);
        let clarity = clarity(&raw, &fields);
        let within = around.clone();
        let (unknown, none) = (Kind::Unlabelled, Label::None);
        let mut entity = Entity { raw, fields, standing, kind: unknown, label: none, around, within, clarity, blank };
        let types = entity.all("Content-Type");
        let label = label(&entity.all("Content-Transfer-Encoding"));
        let kind = match (clarity, &types[..]) {
            (Clarity::Unclear, _) => Kind::Fixed(Refusal::Unclear("a header has lines that are no fields")),
            (_, []) if default == Default::Message => Kind::Message,
            (_, []) => Kind::Unlabelled,
            (_, [one]) => kind(one),
            (..) => Kind::Fixed(Refusal::Unclear("a header has several Content-Type fields")),
        };
        entity.kind = match (kind, &label) {
            // No encoding is allowed there (RFC 2045 section 6.4), and readers differ in what they make of one.
            (Kind::Multipart { .. } | Kind::Message, Label::Encoded(name)) => {
                Kind::Fixed(Refusal::Encoded(name.clone()))
            }
            (kind, _) => kind,
        };
        if let Kind::Multipart { .. } = entity.kind
            && entity.within.is_none()
        {
            entity.within = types.first().and_then(|value| protection(value));
        }
        entity.label = label;
        entity
    }

    pub(super) fn value(&self, field: &Field) -> &[u8] {
        &self.raw[field.value.clone()]
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.is(&self.raw, name))
    }

    /// Whether its content is octets and not lines: text has lines, whatever it is called (RFC 3030 section 3).
    pub(super) fn is_binary(&self) -> bool {
        is_binary(&self.kind, &self.label)
    }

    fn all(&self, name: &str) -> Vec<Vec<u8>> {
        let named = self.fields.iter().filter(|field| field.is(&self.raw, name));
        named.map(|field| self.value(field).to_vec()).collect()
    }

    /// The charset that the content is said to have, in lower case.
    pub(super) fn charset(&self) -> Option<String> {
        let types = self.all("Content-Type");
        let [one] = &types[..] else { return None };
        charset(&parameters::parse(one)?)
    }
}

pub(super) fn is_binary(kind: &Kind, label: &Label) -> bool {
    *label == Label::Binary && matches!(kind, Kind::Other(_))
}

fn charset(labelled: &Labelled) -> Option<String> {
    let value = &labelled.only("charset")?.value;
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b':' | b'+');
    if value.is_empty() || value.len() > NAME_LIMIT || !value.iter().all(is_name) {
        return None;
    }
    std::str::from_utf8(value).ok().map(str::to_ascii_lowercase)
}

fn kind(value: &[u8]) -> Kind {
    let Some(labelled) = parameters::parse(value) else {
        return Kind::Fixed(Refusal::Unclear("a Content-Type can be read in more than one way"));
    };
    let word = labelled.word.as_str();
    match word.split_once('/') {
        // UTF-16 and UTF-32 have NULs, and line ends of their own.
        Some(("text", _)) => match charset(&labelled) {
            Some(charset) if charset.starts_with("utf-16") || charset.starts_with("utf-32") => other(word),
            _ => Kind::Text,
        },
        Some(("multipart", minor)) => {
            let default = if minor == "digest" { Default::Message } else { Default::Text };
            match boundary(&labelled) {
                Some(boundary) => Kind::Multipart { boundary, default },
                None => Kind::Fixed(Refusal::Unclear("a multipart has no usable boundary")),
            }
        }
        Some(("message", "rfc822" | "news")) => Kind::Message,
        // These may be encoded, unlike all others of their kind (RFC 6532 section 3.7, RFC 6533 section 4).
        Some((
            "message",
            "global" | "global-headers" | "global-delivery-status" | "global-disposition-notification",
        )) => other(word),
        Some(("message", _)) => Kind::Fixed(Refusal::Type(word.chars().take(NAME_LIMIT).collect())),
        Some(_) => other(word),
        None => Kind::Fixed(Refusal::Unclear("a Content-Type names no type")),
    }
}

fn other(word: &str) -> Kind {
    Kind::Other(word.chars().take(NAME_LIMIT).collect())
}

/// A boundary that everybody finds (RFC 2046 section 5.1.1; some programs make longer ones).
fn boundary(labelled: &Labelled) -> Option<Vec<u8>> {
    let is_continued = labelled.parameters.iter().any(|parameter| parameter.name.starts_with("boundary*"));
    let boundary = &labelled.only("boundary")?.value;
    let is_usable = !is_continued
        && (1..=BOUNDARY_LIMIT).contains(&boundary.len())
        && boundary.iter().all(|octet| matches!(octet, b' '..=b'~'))
        && !boundary.ends_with(b" ");
    is_usable.then(|| boundary.clone())
}

/// Why nothing may be changed in a multipart of this type (RFC 1847 section 2.1, RFC 3156 section 3).
fn protection(value: &[u8]) -> Option<Refusal> {
    match parameters::parse(value)?.word.as_str() {
        "multipart/signed" => Some(Refusal::Signed),
        "multipart/encrypted" => Some(Refusal::Encrypted),
        _ => None,
    }
}

/// Fields that say the same are one.
fn label(values: &[Vec<u8>]) -> Label {
    let mut words = values.iter().map(|value| parameters::parse(value).map(|labelled| labelled.word));
    let Some(first) = words.next() else { return Label::None };
    match first {
        Some(word) if words.all(|other| other.as_deref() == Some(&word)) => match word.as_str() {
            "7bit" => Label::SevenBit,
            "8bit" => Label::EightBit,
            "binary" => Label::Binary,
            _ => Label::Encoded(word.chars().take(NAME_LIMIT).collect()),
        },
        _ => Label::Encoded("in more than one way".to_owned()),
    }
}

/// A header is clear when each of its lines is a field or the continuation of one, for everybody.
fn clarity(raw: &[u8], fields: &[Field]) -> Clarity {
    let begins = fields.first().map_or(raw.is_empty(), |first| first.name.start == 0);
    let is_clear = |field: &Field| {
        let value = &raw[field.value.clone()];
        let mut lines = value.split_inclusive(|octet| *octet == b'\n').skip(1);
        field.value.start == field.name.end + 1
            && lines.all(|line| matches!(line[0], b' ' | b'\t') && !line.trim_ascii().is_empty())
    };
    if begins && fields.iter().all(is_clear) { Clarity::Clear } else { Clarity::Unclear }
}

/// Names are shown to people, who need no more of them.
const NAME_LIMIT: usize = 60;

/// A boundary has 70 characters at most; not all keep to it.
const BOUNDARY_LIMIT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(header: &str) -> Entity {
        let raw = header.replace('\n', "\r\n").into_bytes();
        Entity::new(raw, Standing::Part, Default::Text, None, Blank::Seen)
    }

    #[test]
    fn headers_say_what_may_be_done() {
        let type_of = |value: &str| entity(&format!("Content-Type: {value}\n")).kind;
        assert_eq!(type_of("text/html"), Kind::Text);
        assert_eq!(type_of("text/plain; charset=UTF-16LE"), Kind::Other("text/plain".to_owned()));
        assert_eq!(type_of("application/pdf"), Kind::Other("application/pdf".to_owned()));
        assert_eq!(type_of("message/RFC822"), Kind::Message);
        assert_eq!(type_of("message/global"), Kind::Other("message/global".to_owned()));
        assert_eq!(
            type_of("multipart/digest; boundary=b"),
            Kind::Multipart { boundary: b"b".to_vec(), default: Default::Message }
        );
        for value in [
            "message/partial",
            "multipart/mixed",
            "multipart/mixed; boundary=a; boundary=b",
            "multipart/mixed; boundary=a; boundary*0=b",
            "multipart/mixed; boundary=\"\"",
            "multipart/mixed; boundary=\"a \"",
            "text",
        ] {
            assert!(matches!(type_of(value), Kind::Fixed(_)), "{value}");
        }
        assert_eq!(entity("").kind, Kind::Unlabelled);
        assert!(matches!(entity("Content-Type: text/plain\ncontent-type: text/html\n").kind, Kind::Fixed(_)));
        assert_eq!(entity("Content-Type: multipart/signed; boundary=b\n").within, Some(Refusal::Signed));
    }

    #[test]
    fn encodings_are_known_or_left_alone() {
        let label_of = |fields: &str| entity(fields).label;
        assert_eq!(label_of("Content-Transfer-Encoding: 8BIT (x)\n"), Label::EightBit);
        assert_eq!(label_of("Content-Transfer-Encoding: 7bit\ncontent-transfer-encoding:\n\t7BIT\n"), Label::SevenBit);
        for value in ["quoted-printable", "base64", "8-bit", "", "8bit 7bit", "8bit\nContent-Transfer-Encoding: 7bit"] {
            let label = label_of(&format!("Content-Transfer-Encoding: {value}\n"));
            assert!(matches!(label, Label::Encoded(_)), "{value}");
        }
        let fixed = entity("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n").kind;
        assert_eq!(fixed, Kind::Fixed(Refusal::Encoded("base64".to_owned())));
    }

    #[test]
    fn doubtful_headers_are_noticed() {
        for header in ["no field\n", "A: b\nno field\n", "A: b\n \n c\n", "A : b\n", " A: b\n", "From a b\nA: c\n"] {
            assert_eq!(entity(header).clarity, Clarity::Unclear, "{header:?}");
        }
        for header in ["", "A: b\n", "A:\n b\n\tc\nD: e\n"] {
            assert_eq!(entity(header).clarity, Clarity::Clear, "{header:?}");
        }
    }
}
