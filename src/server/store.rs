//! What the sink does with a message, and how it shows one.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};

use super::maildir::{self, Delivery};
use super::transaction::Transaction;

/// What is done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// It is shown to a person. The message is held in memory.
    Print,
    /// It becomes a file in this Maildir, which is made when it is not there. Constant memory.
    Maildir(PathBuf),
    /// It becomes a line of JSON. The message is held in memory.
    Json,
    /// It is handed over as it came, and held in memory.
    Memory,
    /// It is counted and forgotten. Constant memory.
    Discard,
}

/// A message that the sink has taken.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    /// Who brought it.
    pub peer: SocketAddr,
    /// The name in EHLO or HELO.
    pub hello: String,
    /// Who had logged in.
    pub user: Option<String>,
    /// What protected the connection.
    pub tls: Option<TlsFacts>,
    /// Sender, recipients and their parameters.
    #[serde(flatten)]
    pub transaction: Transaction,
    /// Octets of the message, dots unstuffed, line ends as they came.
    pub size: u64,
    /// Where the message is.
    #[serde(flatten, serialize_with = "serialize_content")]
    pub content: Content,
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Here, octet for octet.
    Memory(Vec<u8>),
    /// In this file.
    File(PathBuf),
    /// Nowhere.
    Gone,
}

/// What protects a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: String,
    /// The cipher suite by its name in the registry of IANA.
    pub cipher: String,
}

/// A message on its way into the store.
#[derive(Debug)]
pub(super) enum Writer {
    Memory(Vec<u8>),
    Maildir(Box<Delivery>),
    Discard,
}

impl Store {
    /// Makes what must be there before the first message.
    pub(super) fn prepare(&self) -> io::Result<()> {
        match self {
            Store::Maildir(directory) => maildir::create(directory),
            _ => Ok(()),
        }
    }

    pub(super) fn begin(&self, host: &str, transaction: &Transaction) -> io::Result<Writer> {
        Ok(match self {
            Store::Print | Store::Json | Store::Memory => Writer::Memory(Vec::new()),
            Store::Maildir(directory) => Writer::Maildir(Box::new(Delivery::begin(directory, host, transaction)?)),
            Store::Discard => Writer::Discard,
        })
    }

    /// What is printed when the message has come; each line with its end.
    pub(super) fn output(&self, received: &Received) -> String {
        match self {
            Store::Print => received.printout(),
            Store::Json => received.json(),
            Store::Maildir(_) | Store::Discard => received.summary(),
            Store::Memory => String::new(),
        }
    }
}

impl Writer {
    pub(super) fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Writer::Memory(message) => message.extend_from_slice(octets),
            Writer::Maildir(delivery) => delivery.push(octets)?,
            Writer::Discard => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Content> {
        Ok(match self {
            Writer::Memory(message) => Content::Memory(message),
            Writer::Maildir(delivery) => Content::File(delivery.finish()?),
            Writer::Discard => Content::Gone,
        })
    }
}

impl Received {
    /// One line of JSON with its end. The message is in `message` when it is UTF-8, else in `message-base64`, and
    /// `file` names a file; all control characters of ASCII are escaped.
    pub fn json(&self) -> String {
        // A value of strings and numbers with string keys cannot fail to become JSON.
        let line = serde_json::to_string(self).unwrap_or_default();
        line.replace('\x7f', "\\u007f") + "\n"
    }

    /// The message for a person, between two lines that begin with `--`. What could steer a terminal is escaped,
    /// and a lone LF is shown as `\n` at the end of its line, so that nothing is taken for a proper line end.
    pub fn printout(&self) -> String {
        let mut out = self.summary();
        if let Content::Memory(message) = &self.content {
            for line in message.split_inclusive(|octet| *octet == b'\n') {
                match (line.strip_suffix(b"\r\n"), line.strip_suffix(b"\n")) {
                    (Some(text), _) => escape(text, &mut out),
                    (None, Some(text)) => {
                        escape(text, &mut out);
                        out.push_str("\\n");
                    }
                    (None, None) => escape(line, &mut out),
                }
                out.push('\n');
            }
            out.push_str("-- end of message\n");
        }
        out
    }

    /// One line that says who brought what to whom.
    pub fn summary(&self) -> String {
        let mut line = format!("-- {} octets from {} (", self.size, self.peer);
        escape(self.hello.as_bytes(), &mut line);
        match &self.tls {
            // Writing to a String never fails.
            Some(tls) => _ = write!(line, ", {} {}", tls.version, tls.cipher),
            None => line.push_str(", no TLS"),
        }
        if let Some(user) = &self.user {
            line.push_str(", user ");
            escape(user.as_bytes(), &mut line);
        }
        line.push_str("): <");
        escape(self.transaction.sender.as_str().as_bytes(), &mut line);
        line.push_str("> to");
        for recipient in &self.transaction.recipients {
            line.push_str(" <");
            escape(recipient.address.as_str().as_bytes(), &mut line);
            line.push('>');
        }
        if let Content::File(path) = &self.content {
            _ = write!(line, " in {}", path.display());
        }
        line.push('\n');
        line
    }
}

/// Control characters other than tabs, and octets that are not UTF-8, become escapes.
fn escape(octets: &[u8], out: &mut String) {
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && c != '\t' { out.extend(c.escape_default()) } else { out.push(c) }
        }
        _ = write!(out, "{}", chunk.invalid().escape_ascii());
    }
}

fn serialize_content<S: Serializer>(content: &Content, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap as _;
    let mut map = serializer.serialize_map(Some(1))?;
    match content {
        Content::Memory(message) => match std::str::from_utf8(message) {
            Ok(text) => map.serialize_entry("message", text)?,
            Err(_) => map.serialize_entry("message-base64", &BASE64.encode(message))?,
        },
        Content::File(path) => map.serialize_entry("file", &path.to_string_lossy())?,
        Content::Gone => {}
    }
    map.end()
}
