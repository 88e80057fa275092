//! One GET over HTTPS, as MTA-STS wants it (RFC 8461 section 3.3): the certificate is checked, a redirection is not
//! followed, nothing comes out of a cache, and the answer is small.

use std::net::IpAddr;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Header, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::socket;
use super::stream::Stream;
use super::tls::Connector;
use crate::config::account::{Endpoint, Host, Reach, Scheme, Server, Tls};
use crate::smtp::outcome::Cause;
use crate::smtp::reply::printable;
use crate::system::words;

/// What is asked for, and of whom.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The host, in ASCII; the certificate must be for it.
    pub host: &'a str,
    /// Its addresses, in order.
    pub addresses: &'a [IpAddr],
    /// TCP port.
    pub port: u16,
    /// The path, with a slash at its beginning.
    pub path: &'a str,
    /// How long all of it may take.
    pub limit: Duration,
}

/// Why there is no content, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The server cannot be reached, or is silent.
    #[error("{0}")]
    Unreachable(String),
    /// It shows no certificate that counts, or speaks no TLS.
    #[error("{0}")]
    Tls(String),
    /// It answers something else than a text.
    #[error("{0}")]
    Answer(String),
}

/// Octets of the content at most (RFC 8461 section 3.3 has as many).
pub const LARGEST: usize = 64 * 1024;
/// Octets of the head at most, with heads of interim answers before it.
const LARGEST_HEAD: usize = 16 * 1024;
/// Fields in a head at most.
const FIELDS: usize = 64;
/// Octets at most that chunks may take beside their content.
const LARGEST_WRAPPING: usize = 16 * 1024;
/// Octets of the line before a chunk at most.
const LONGEST_LINE: usize = 256;

/// Fetches a text.
///
/// # Errors
/// [`FetchError`]; the server and the host are not named in it.
pub async fn get(request: Request<'_>, tls: &Tls, reach: &Reach) -> Result<Vec<u8>, FetchError> {
    let deadline = Instant::now() + request.limit;
    let Request { host, port, .. } = request;
    let endpoint = Endpoint::Tcp { host: Host::Name(host.to_owned()), port };
    // The authorities of the account, and none of what it says of servers for mail.
    let server = Server { scheme: Scheme::Submissions, endpoint, user: None };
    let connector = match Connector::for_server(tls, &server) {
        Ok(Some(connector)) => connector,
        Ok(None) => return Err(FetchError::Tls("TLS is not wanted".to_owned())),
        Err(error) => return Err(FetchError::Tls(error.to_string())),
    };
    let connected = socket::connect_to(request.addresses, &server.endpoint, reach, request.limit).await;
    let transport = connected.map_err(|cause| FetchError::Unreachable(unreachable(cause)))?.stream;
    let late = |_| FetchError::Unreachable("no answer in time".to_owned());
    let handshake = timeout_at(deadline, Stream::Plain(transport).start_tls(&connector)).await.map_err(late)?;
    let mut stream = handshake.map_err(|error| FetchError::Tls(connector.explain(&error)))?;
    let answer = timeout_at(deadline, exchange(&mut stream, request)).await;
    stream.finish().await;
    answer.map_err(late)?
}

fn unreachable(cause: Cause) -> String {
    match cause {
        Cause::Unreachable(words) | Cause::NoSuchHost(words) => words,
        _ => "no answer in time".to_owned(),
    }
}

async fn exchange(stream: &mut Stream, request: Request<'_>) -> Result<Vec<u8>, FetchError> {
    let Request { host, port, path, .. } = request;
    let authority = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/plain\r\nCache-Control: no-cache\r\n\
         User-Agent: posthaste\r\nConnection: close\r\n\r\n"
    );
    let lost = |error: std::io::Error| match error.kind() {
        // A server that ends without saying so may have been cut off.
        std::io::ErrorKind::UnexpectedEof => FetchError::Answer(CUT_SHORT.to_owned()),
        _ => FetchError::Unreachable(words(&error)),
    };
    stream.write_all(head.as_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut answer = Answer::default();
    let mut octets = [0; 4096];
    loop {
        let count = stream.read(&mut octets).await.map_err(lost)?;
        let content = match count {
            0 => Some(answer.end()?),
            _ => answer.push(octets.get(..count).unwrap_or_default())?,
        };
        if let Some(content) = content {
            return Ok(content);
        }
    }
}

const CUT_SHORT: &str = "its answer is cut short";

/// An answer as it comes in. What it holds is bounded, whatever comes.
#[derive(Debug, Default)]
pub struct Answer {
    /// Octets that came and are not understood yet.
    waiting: Vec<u8>,
    /// Octets of heads so far.
    heads: usize,
    content: Vec<u8>,
    part: Part,
}

/// The part of an answer that is due.
#[derive(Debug, Default)]
enum Part {
    #[default]
    Head,
    /// So many octets of content.
    Sized(usize),
    /// The line before a chunk, where chunks have taken so many octets beside their content.
    Chunk(usize),
    /// So many octets of a chunk, then the end of its line; and what chunks have taken beside.
    InChunk(usize, usize),
    /// Fields behind the last chunk, of which nothing is wanted.
    Trailer(usize),
    /// All that comes until the server closes.
    UntilEnd,
}

impl Answer {
    /// Takes octets, and gives the content where it is whole.
    ///
    /// # Errors
    /// [`FetchError::Answer`] where the answer is none that counts; nothing more can be told then.
    pub fn push(&mut self, octets: &[u8]) -> Result<Option<Vec<u8>>, FetchError> {
        self.waiting.extend_from_slice(octets);
        while let Some(step) = self.step()? {
            if step == Step::Whole {
                return Ok(Some(std::mem::take(&mut self.content)));
            }
        }
        Ok(None)
    }

    /// The server has closed the connection, and said so.
    ///
    /// # Errors
    /// As [`Answer::push`]: where more was due.
    pub fn end(&mut self) -> Result<Vec<u8>, FetchError> {
        match self.part {
            Part::UntilEnd => Ok(std::mem::take(&mut self.content)),
            _ => Err(FetchError::Answer(CUT_SHORT.to_owned())),
        }
    }

    /// One step with what is there; nothing where more must come.
    fn step(&mut self) -> Result<Option<Step>, FetchError> {
        match self.part {
            Part::Head => self.head(),
            Part::Sized(left) => {
                let left = left - self.take(left)?;
                self.part = Part::Sized(left);
                Ok((left == 0).then_some(Step::Whole))
            }
            Part::Chunk(wrapping) => self.chunk(wrapping),
            Part::InChunk(left, wrapping) if left > 0 => {
                let left = left - self.take(left)?;
                self.part = Part::InChunk(left, wrapping);
                Ok((left == 0).then_some(Step::Forward))
            }
            Part::InChunk(_, wrapping) => match self.waiting.get(..2) {
                None => Ok(None),
                Some(b"\r\n") => {
                    self.waiting.drain(..2);
                    self.part = Part::Chunk(wrapping + 2);
                    Ok(Some(Step::Forward))
                }
                Some(_) => Err(malformed()),
            },
            Part::Trailer(wrapping) => match self.line()? {
                None => Ok(None),
                Some(0) => Ok(Some(Step::Whole)),
                Some(length) => {
                    self.part = Part::Trailer(bounded(wrapping + length)?);
                    Ok(Some(Step::Forward))
                }
            },
            Part::UntilEnd => {
                self.take(usize::MAX)?;
                Ok(None)
            }
        }
    }

    fn head(&mut self) -> Result<Option<Step>, FetchError> {
        let mut fields = [EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(&self.waiting).map_err(|_| malformed())?;
        let size = match parsed {
            Status::Complete(size) => size,
            Status::Partial => self.waiting.len(),
        };
        if self.heads + size > LARGEST_HEAD {
            return Err(FetchError::Answer("the head of its answer is too large".to_owned()));
        }
        if parsed.is_partial() {
            return Ok(None);
        }
        let part = match response.code.unwrap_or_default() {
            // An interim answer, before the one that counts.
            100 | 102..200 => Part::Head,
            200 => body(response.headers)?,
            code => {
                let reason = printable(response.reason.unwrap_or_default().as_bytes());
                let words = format!("it answers {code} {reason:.60}");
                return Err(FetchError::Answer(words.trim_end().to_owned()));
            }
        };
        self.heads += size;
        self.waiting.drain(..size);
        self.part = part;
        Ok(Some(Step::Forward))
    }

    /// The line before a chunk.
    fn chunk(&mut self, wrapping: usize) -> Result<Option<Step>, FetchError> {
        // The library takes an empty line for the end of the chunks.
        if self.waiting.first().is_some_and(|octet| !octet.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        match httparse::parse_chunk_size(&self.waiting) {
            Err(_) => Err(malformed()),
            Ok(Status::Partial) if self.waiting.len() >= LONGEST_LINE => Err(malformed()),
            // What is too long is that in one piece, too.
            Ok(Status::Complete((length, _))) if length > LONGEST_LINE => Err(malformed()),
            Ok(Status::Partial) => Ok(None),
            Ok(Status::Complete((length, size))) => {
                let wrapping = bounded(wrapping + length)?;
                self.waiting.drain(..length);
                self.part = match usize::try_from(size).map_err(|_| too_large())? {
                    0 => Part::Trailer(wrapping),
                    size if size > LARGEST => return Err(too_large()),
                    size => Part::InChunk(size, wrapping),
                };
                Ok(Some(Step::Forward))
            }
        }
    }

    /// Takes a line out, and gives its octets without the end.
    fn line(&mut self) -> Result<Option<usize>, FetchError> {
        match self.waiting.windows(2).position(|pair| pair == b"\r\n") {
            None if self.waiting.len() > LARGEST_WRAPPING + 1 => Err(malformed()),
            None => Ok(None),
            Some(length) => {
                self.waiting.drain(..length + 2);
                Ok(Some(length))
            }
        }
    }

    /// Takes so many octets for content, or as many as there are.
    fn take(&mut self, most: usize) -> Result<usize, FetchError> {
        let count = most.min(self.waiting.len());
        if self.content.len() + count > LARGEST {
            return Err(too_large());
        }
        self.content.extend(self.waiting.drain(..count));
        Ok(count)
    }
}

/// How a step went.
#[derive(PartialEq, Eq)]
enum Step {
    Forward,
    Whole,
}

/// What comes behind the head of an answer that says yes. Where its fields can be read in two ways it is refused.
fn body(fields: &[Header<'_>]) -> Result<Part, FetchError> {
    let values = |name: &'static str| {
        fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.trim_ascii())
    };
    let is_text = |value: &[u8]| {
        let kind = value.split(|octet| *octet == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/plain")
    };
    let mut kinds = values("content-type");
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) if is_text(kind) => {}
        (Some(kind), _) => {
            let words = format!("its answer is not text/plain but {:.60}", printable(kind));
            return Err(FetchError::Answer(words));
        }
        (None, _) => return Err(FetchError::Answer("its answer is not said to be text/plain".to_owned())),
    }
    if values("content-encoding").any(|value| !value.eq_ignore_ascii_case(b"identity")) {
        return Err(FetchError::Answer("its answer is compressed, which nobody has asked for".to_owned()));
    }
    let codings: Vec<&[u8]> = values("transfer-encoding").collect();
    let lengths: Vec<&[u8]> = values("content-length").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(Part::UntilEnd),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Part::Chunk(0)),
        ([], [first, others @ ..]) if others.iter().all(|other| other == first) => {
            let digits =
                std::str::from_utf8(first).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
            match digits.map(str::parse::<usize>) {
                Some(Ok(length)) if length <= LARGEST => Ok(Part::Sized(length)),
                Some(Ok(_)) => Err(too_large()),
                Some(Err(_)) | None => Err(malformed()),
            }
        }
        _ => Err(malformed()),
    }
}

fn bounded(wrapping: usize) -> Result<usize, FetchError> {
    if wrapping > LARGEST_WRAPPING { Err(malformed()) } else { Ok(wrapping) }
}

fn malformed() -> FetchError {
    FetchError::Answer("its answer is no HTTP that can be read".to_owned())
}

fn too_large() -> FetchError {
    FetchError::Answer(format!("its answer has more than {LARGEST} octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of an answer, whole and octet by octet, which must be the same.
    fn read(octets: &[u8]) -> Result<Vec<u8>, String> {
        let in_pieces = |size: usize| {
            let mut answer = Answer::default();
            for piece in octets.chunks(size) {
                if let Some(content) = answer.push(piece).map_err(|error| error.to_string())? {
                    return Ok(content);
                }
            }
            answer.end().map_err(|error| error.to_string())
        };
        let whole = in_pieces(octets.len().max(1));
        assert_eq!(in_pieces(1), whole, "{}", octets.escape_ascii());
        whole
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: Text/Plain; charset=utf-8\r\n";

    #[test]
    fn bodies_of_each_kind_are_read() {
        for (rest, content) in [
            ("Content-Length: 3\r\n\r\nabcd", "abc"),
            ("Content-Length: 0\r\n\r\n", ""),
            ("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "abc"),
            ("\r\nabc", "abc"),
            ("Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", "abc"),
            ("Transfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n000\r\nx: y\r\n\r\n", "0123456789"),
        ] {
            assert_eq!(read(format!("{HEAD}{rest}").as_bytes()), Ok(content.into()), "{rest:?}");
            let interim = format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{HEAD}{rest}");
            assert_eq!(read(interim.as_bytes()), Ok(content.into()), "{rest:?}");
        }
    }

    /// P-324: nothing but 200 with a text counts, whole and small.
    #[test]
    fn what_is_no_text_is_refused() {
        let moved = "HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Type: text/plain\r\n\r\nabc";
        assert_eq!(read(moved.as_bytes()), Err("it answers 301 Moved Permanently".to_owned()));
        for code in
            ["204 No Content", "206 Partial Content", "304 Not Modified", "404 Not\u{1b}[1m Found", "101 x", "999"]
        {
            let error = read(HEAD.replacen("200 OK", code, 1).as_bytes().to_vec().as_slice()).unwrap_err();
            assert!(!error.contains('\u{1b}'), "{error}");
        }
        for (rest, why) in [
            ("Content-Length: 3\r\n\r\nab", "cut short"),
            ("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "no HTTP"),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no HTTP"),
            ("Content-Length: +3\r\n\r\nabc", "no HTTP"),
            ("Content-Length: \r\n\r\nabc", "no HTTP"),
            ("Content-Length: 99999999999999999999999999\r\n\r\nabc", "no HTTP"),
            ("Content-Length: 70000\r\n\r\nabc", "more than 65536"),
            ("Content-Encoding: gzip\r\n\r\nabc", "compressed"),
            ("Content-Type: text/html\r\n\r\nabc", "text/plain"),
            ("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "no HTTP"),
            ("Transfer-Encoding: chunked\r\n\r\n", "cut short"),
            ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "cut short"),
            ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", "cut short"),
            ("Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "no HTTP"),
            ("Transfer-Encoding: chunked\r\n\r\n\r\n\r\n", "no HTTP"),
            ("Transfer-Encoding: chunked\r\n\r\n;\r\n\r\n", "no HTTP"),
            ("Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", "no HTTP"),
            ("Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", "no HTTP"),
            ("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na", "more than"),
            ("Transfer-Encoding: chunked\r\n\r\n10001\r\n", "more than"),
            ("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", "no HTTP"),
        ] {
            let error = read(format!("{HEAD}{rest}").as_bytes()).unwrap_err();
            assert!(error.contains(why), "{rest:?}: {error}");
        }
        for text in
            ["", "\r\n", "220 mail.example.org ESMTP\r\n", "HTTP/1.1 200 OK\r\n\r\nabc", "HTTP/1.1 200 OK\r\n a"]
        {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    /// P-324: a server that goes on for ever is left.
    #[test]
    fn nothing_grows_without_a_bound() {
        let flood = |head: &str, piece: &str| {
            let mut answer = Answer::default();
            let mut octets = head.len();
            answer.push(head.as_bytes()).unwrap();
            while answer.push(piece.as_bytes()).is_ok() {
                octets += piece.len();
                assert!(octets < 4 * LARGEST, "{head:?} {piece:?}");
            }
        };
        flood("", "HTTP/1.1 100 Continue\r\n\r\n");
        flood("HTTP/1.1 200 OK\r\n", "a: b\r\n");
        flood("HTTP/1.1 200 OK\r\na: ", "bbbbbbbbbbbbbbbb");
        flood(&format!("{HEAD}\r\n"), &"x".repeat(1000));
        let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        flood(&chunked, "1\r\na\r\n");
        flood(&chunked, &format!("400\r\n{}\r\n", "x".repeat(1024)));
        flood(&chunked, "0");
        flood(&format!("{chunked}1;"), "xxxxxxxxxxxxxxxxx");
        flood(&format!("{chunked}0\r\n"), "a: b\r\n");
        flood(&format!("{chunked}0\r\n"), "bbbbbbbbbbbbbbbb");
    }
}
