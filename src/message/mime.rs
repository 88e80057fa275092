//! MIME labels: what a body is called, and what makes its lines short enough (RFC 2045).

use super::Facts;
use super::body::Body;
use super::charset::Charset;
use super::header::Field;
use super::quoted_printable::Encoder;
use super::spool::Spool;
use super::tally::Tally;
use super::{More, incoming};
use std::io::{self, Write};

/// The labels that a message has.
pub(super) struct Labels {
    version: Presence,
    content: Content,
    /// The fields of the encoding.
    pub(super) encodings: Vec<Field>,
    encoding: Encoding,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Missing,
    Present,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Nothing says what it is.
    Unlabelled,
    /// One part of text.
    Text,
    /// Parts, or a message.
    Composite,
    /// Anything else.
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// None, or one that changes nothing.
    Identity,
    /// It changes nothing, and there need be no lines.
    Binary,
    /// Quoted-printable, base64 or something unknown.
    Other,
}

impl Labels {
    pub(super) fn of(header: &[u8], fields: &[Field]) -> Self {
        let all = |name| fields.iter().filter(move |field| field.is(header, name));
        let word = |field: &Field| {
            let value = &header[field.value.clone()];
            let end = value.iter().position(|octet| matches!(octet, b';' | b'(')).unwrap_or(value.len());
            value[..end].trim_ascii().to_ascii_lowercase()
        };
        let types: Vec<_> = all("Content-Type").map(word).collect();
        let encodings: Vec<_> = all("Content-Transfer-Encoding").cloned().collect();
        Labels {
            version: if all("MIME-Version").next().is_some() { Presence::Present } else { Presence::Missing },
            content: match &types[..] {
                [] => Content::Unlabelled,
                [one] if one.starts_with(b"text/") => Content::Text,
                [one] if one.starts_with(b"multipart/") || one.starts_with(b"message/") => Content::Composite,
                _ => Content::Other,
            },
            encoding: match &encodings.iter().map(word).collect::<Vec<_>>()[..] {
                [] => Encoding::Identity,
                [one] if matches!(&one[..], b"7bit" | b"8bit") => Encoding::Identity,
                [one] if one == b"binary" => Encoding::Binary,
                _ => Encoding::Other,
            },
            encodings,
        }
    }

    /// Whether nothing says that this is MIME.
    pub(super) fn are_missing(&self) -> bool {
        self.version == Presence::Missing && self.content == Content::Unlabelled && self.encodings.is_empty()
    }

    /// Whether the body is called binary.
    pub(super) fn are_binary(&self) -> bool {
        self.encoding == Encoding::Binary
    }

    /// Whether there may be headers in the body.
    pub(super) fn may_have_parts(&self) -> bool {
        self.content == Content::Composite
    }

    /// Whether the body may be encoded without looking into it.
    pub(super) fn allow_encoding(&self) -> bool {
        matches!(self.content, Content::Unlabelled | Content::Text) && self.encoding != Encoding::Other
    }

    /// The fields that are missing to call the body what it is; `unknown` is the charset of what is not UTF-8.
    pub(super) fn missing(&self, charset: Charset, unknown: &str, encoding: &str) -> String {
        let mut fields = String::new();
        if self.version == Presence::Missing {
            fields.push_str("MIME-Version: 1.0\r\n");
        }
        if self.content == Content::Unlabelled {
            fields.push_str(&charset.content_type(unknown));
        }
        fields.push_str("Content-Transfer-Encoding: ");
        fields.push_str(encoding);
        fields.push_str("\r\n");
        fields
    }
}

/// Makes a body quoted-printable.
pub(super) fn encode(body: Body) -> io::Result<(Body, Facts)> {
    let (mut encoder, mut tally, mut spool) = (Encoder::default(), Tally::default(), Spool::new());
    let (mut block, mut encoded) = (Vec::new(), Vec::new());
    let mut at = 0;
    loop {
        let more = body.read_block(&mut at, &mut block, incoming::BLOCK)?;
        encoder.push(&block, &mut encoded);
        if more == More::No {
            encoder.finish(&mut encoded);
        }
        tally.push(&encoded);
        spool.write_all(&encoded)?;
        if more == More::No {
            return Ok((Body::spooled(spool.finish()?), tally.finish()));
        }
        block.clear();
        encoded.clear();
    }
}
