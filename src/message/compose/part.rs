//! The parts of a message, written one behind the other.

use super::{Attachment, ComposeError, Inline, LongText, Text, check};
use crate::message::base64;
use crate::message::body::Body;
use crate::message::charset::{Charset, Utf8};
use crate::message::incoming::BLOCK;
use crate::message::quoted_printable::Encoder;
use crate::message::spool::Spool;
use crate::message::tally::{Content, Tally};
use crate::message::{Facts, More};
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::{BodyPart, MimePart, make_boundary};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A part, which may have parts.
#[derive(Debug)]
pub(super) enum Part {
    /// Text that we have.
    Text { content_type: &'static str, text: String },
    /// The same, quoted-printable already.
    Quoted { content_type: &'static str, text: String },
    /// A file.
    File { headers: MimePart<'static>, content: Octets },
    /// Parts in an order.
    Several { content_type: &'static str, parts: Vec<Part> },
}

/// Whether text has control characters besides TAB and line ends. Servers may take them away, or refuse the message
/// (RFC 5321 section 4.1.1.4), so that they are sent encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controls {
    None,
    Some,
}

/// The octets of a file.
#[derive(Debug)]
pub(super) enum Octets {
    /// They are read when they are written, as base64.
    File { file: File, path: String },
    /// They were read before, because their labels depend on them, and are written as base64.
    Read(Body),
    /// The same for what is written as it is: a message (RFC 2046 section 5.2.1), or text that needs no encoding.
    Message(Body, Facts),
}

impl Part {
    pub(super) fn text(content_type: &'static str, text: Text) -> Self {
        match text {
            Text::Short(text) => {
                // A bare CR would stand in the text as it is.
                let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "");
                match controls(text.as_bytes()) {
                    Controls::None => Part::Text { content_type, text },
                    Controls::Some => Part::Quoted { content_type, text: quoted(&text) },
                }
            }
            Text::Long(LongText { body, facts, controls }) => {
                let labelled = ContentType::new(content_type).attribute("charset", "utf-8");
                let is_encoded = facts.eight_bit || facts.longest_line > LINE_LIMIT || controls == Controls::Some;
                let (encoding, content) = match is_encoded {
                    true => ("base64", Octets::Read(body)),
                    false => ("7bit", Octets::Message(body, facts)),
                };
                Part::File { headers: empty(labelled, encoding), content }
            }
        }
    }

    /// One part alone needs no others around it.
    pub(super) fn joined(content_type: &'static str, mut parts: Vec<Part>) -> Self {
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                parts.extend(last);
                Part::Several { content_type, parts }
            }
        }
    }

    /// Writes header and body. The line end before a boundary belongs to that (RFC 2046 section 5.1.1), so there is
    /// none at the end of this.
    pub(super) fn write(self, out: &mut Spool) -> Result<(), ComposeError> {
        match self {
            Part::Text { content_type, text } => Ok(write_part(MimePart::new(content_type, text), out)?),
            Part::Quoted { content_type, text } => {
                let labelled = ContentType::new(content_type).attribute("charset", "utf-8");
                let part = MimePart::new(labelled, BodyPart::Text(text.into()));
                Ok(write_part(part.transfer_encoding("quoted-printable"), out)?)
            }
            Part::File { headers, content } => {
                write_part(headers, out)?;
                content.write(out)
            }
            Part::Several { .. } => self.write_several(out),
        }
    }

    fn write_several(self, out: &mut Spool) -> Result<(), ComposeError> {
        // The label of what is around has to be true of all that is inside (RFC 2045 section 6.4).
        let encoding = if self.content() == Content::EightBit { "8bit" } else { "7bit" };
        let Part::Several { content_type, parts } = self else { return Ok(()) };
        let boundary = make_boundary("_");
        let content_type = ContentType::new(content_type).attribute("boundary", boundary.clone());
        write_part(MimePart::new(content_type, BodyPart::Text("".into())).transfer_encoding(encoding), out)?;
        let mut line_end = "";
        for part in parts {
            write!(out, "{line_end}--{boundary}\r\n")?;
            part.write(out)?;
            line_end = "\r\n";
        }
        Ok(write!(out, "{line_end}--{boundary}--")?)
    }

    fn content(&self) -> Content {
        let is_eight_bit = match self {
            Part::File { content: Octets::Message(_, facts), .. } => facts.eight_bit,
            Part::Several { parts, .. } => parts.iter().any(|part| part.content() == Content::EightBit),
            _ => false,
        };
        if is_eight_bit { Content::EightBit } else { Content::Ascii }
    }
}

impl Octets {
    fn write(self, out: &mut Spool) -> Result<(), ComposeError> {
        match self {
            Octets::File { mut file, path } => {
                let failed = |error| ComposeError::File { path: path.clone(), error };
                let mut encoder = base64::Encoder::default();
                let mut block = vec![0; BLOCK];
                loop {
                    match file.read(&mut block) {
                        Ok(0) => break,
                        Ok(count) => encoder.push(&block[..count], out)?,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(failed(error)),
                    }
                }
                Ok(encoder.finish(out)?)
            }
            Octets::Read(body) => {
                let mut encoder = base64::Encoder::default();
                each_block(body, |block| encoder.push(block, out))?;
                Ok(encoder.finish(out)?)
            }
            Octets::Message(body, _) => Ok(each_block(body, |block| out.write_all(block))?),
        }
    }
}

/// A file that comes with the message.
pub(super) fn attachment(attachment: &Attachment) -> Result<Part, ComposeError> {
    let own_name = attachment.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = attachment.name.clone().or(own_name).unwrap_or_default();
    check::value("the name of an attachment", &name)?;
    let (headers, content) = load(&attachment.path, &name, attachment.content_type.as_deref())?;
    Ok(Part::File { headers: headers.attachment(name), content })
}

/// A file that the HTML shows.
pub(super) fn inline(inline: &Inline) -> Result<Part, ComposeError> {
    let name = inline.path.to_string_lossy();
    let (headers, content) = load(&inline.path, &name, inline.content_type.as_deref())?;
    Ok(Part::File { headers: headers.inline().cid(inline.cid.clone()), content })
}

/// What a file's name says of its content.
fn media_type(name: &str) -> &'static str {
    /// A line `extension type` for each, after an empty one.
    const TYPES: &str = include_str!(concat!(env!("OUT_DIR"), "/media-types"));
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let wanted = format!("\n{} ", extension.to_ascii_lowercase());
    let found = TYPES.split_once(&wanted).and_then(|(_, rest)| rest.lines().next());
    found.filter(|_| !extension.contains(char::is_whitespace)).unwrap_or("application/octet-stream")
}

fn load(path: &Path, name: &str, given: Option<&str>) -> Result<(MimePart<'static>, Octets), ComposeError> {
    let content_type = match given {
        Some(given) => given.to_owned(),
        None => media_type(name).to_owned(),
    };
    check::content_type(&content_type)?;
    let failed = |error| ComposeError::File { path: path.display().to_string(), error };
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let lower = content_type.to_ascii_lowercase();
    let is_message = lower.split(';').next().is_some_and(|essence| essence.trim() == "message/rfc822");
    let is_text = lower.starts_with("text/") && !lower.contains("charset");
    if !is_message && !is_text {
        let octets = Octets::File { file, path: path.display().to_string() };
        return Ok((empty(ContentType::new(content_type), "base64"), octets));
    }
    let (body, facts, charset, _) = read(&mut file).map_err(failed)?;
    if is_message {
        let encoding = if facts.eight_bit { "8bit" } else { "7bit" };
        return Ok((empty(ContentType::new(content_type), encoding), Octets::Message(body, facts)));
    }
    let labelled = match charset {
        Charset::Unknown => ContentType::new(content_type),
        Charset::Ascii => ContentType::new(content_type).attribute("charset", "us-ascii"),
        Charset::Utf8 => ContentType::new(content_type).attribute("charset", "utf-8"),
    };
    Ok((empty(labelled, "base64"), Octets::Read(body)))
}

/// The header of a part that is written by somebody else.
fn empty(content_type: ContentType<'static>, encoding: &'static str) -> MimePart<'static> {
    MimePart::new(content_type, BodyPart::Binary((&[][..]).into())).transfer_encoding(encoding)
}

/// Reads a file to where it can be read again, and learns what it is.
pub(super) fn read(file: &mut impl Read) -> io::Result<(Body, Facts, Charset, Controls)> {
    let mut found = Controls::None;
    let (mut tally, mut utf8, mut spool) = (Tally::default(), Utf8::default(), Spool::new());
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                tally.push(&block[..count]);
                utf8.push(&block[..count]);
                if found == Controls::None {
                    found = controls(&block[..count]);
                }
                spool.write_all(&block[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let facts = tally.finish();
    Ok((Body::spooled(spool.finish()?), facts, utf8.charset(facts.eight_bit), found))
}

fn controls(octets: &[u8]) -> Controls {
    let is_one = |octet: &u8| octet.is_ascii_control() && !matches!(octet, b'\t' | b'\n' | b'\r' | 0);
    if octets.iter().any(is_one) { Controls::Some } else { Controls::None }
}

/// Text as quoted-printable, its last line as open as it was.
fn quoted(text: &str) -> String {
    let mut encoder = Encoder::default();
    let mut octets = Vec::new();
    encoder.push(text.as_bytes(), &mut octets);
    encoder.finish_open(&mut octets);
    // It is ASCII.
    String::from_utf8_lossy(&octets).into_owned()
}

fn each_block(body: Body, mut work: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let (mut at, mut block) = (0, Vec::new());
    loop {
        let more = body.read_block(&mut at, &mut block, BLOCK)?;
        work(&block)?;
        block.clear();
        if more == More::No {
            return Ok(());
        }
    }
}

/// Lets the builder write what it has of a part.
fn write_part(part: MimePart<'_>, out: &mut Spool) -> io::Result<()> {
    let mut octets = Vec::new();
    part.write_part(&mut octets);
    out.write_all(&octets)
}

/// A longer line of text has to be encoded (RFC 5321 section 4.5.3.1.6).
const LINE_LIMIT: u64 = 998;

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn names_of_files_tell_what_they_hold() {
        const UNKNOWN: &str = "application/octet-stream";
        for (name, kind) in [
            ("a.pdf", "application/pdf"),
            ("log/a.TXT", "text/plain"),
            ("a.tar.gz", "application/gzip"),
            ("a.html", "text/html"),
            ("a.7z", "application/x-7z-compressed"),
            ("a.eml", "message/rfc822"),
            ("a", UNKNOWN),
            (".pdf", UNKNOWN),
            ("a.", UNKNOWN),
            ("a.no-such", UNKNOWN),
            ("a.pdf application", UNKNOWN),
            ("a.\npdf", UNKNOWN),
        ] {
            assert_eq!(media_type(name), kind, "{name}");
        }
    }
}
