//! A server that plays its side of one dialogue over one connection, and wants to hear the other side flight by flight.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use posthaste::smtp::session::{Protocol, Settings, TlsMode};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::certificates;
use crate::dialogue::{Dialogue, Event, Item, Step, Wrong};

/// Nothing here takes long; a test that hangs must end all the same.
const PATIENCE: Duration = Duration::from_secs(30);
/// A flight of up to so many octets is one TLS record, and one segment on the loopback interface.
const ONE_PIECE: usize = 16 * 1024;

/// Plays the dialogue, on as many connections as it has; another one finds nobody.
pub fn serve(listener: TcpListener, dialogue: &Dialogue) -> Result<(), Wrong> {
    let connections = (0..).map(|number| dialogue.connection(number)).take_while(|items| !items.is_empty());
    let connections: Vec<&[Item]> = connections.collect();
    let mut listener = Some(listener);
    for (number, items) in connections.iter().enumerate() {
        let first = items.first().map_or(1, |item| item.line);
        let at_start = |error: io::Error| dialogue.wrong(first, error.to_string());
        let accepted = listener.as_ref().map(TcpListener::accept);
        if let Some(listener) = listener.take_if(|_| number + 1 == connections.len()) {
            // A program that another thread is just starting has a copy, which would go on listening until its exec.
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
        }
        let Some(accepted) = accepted else { continue };
        let (socket, _) = accepted.map_err(at_start)?;
        socket.set_nodelay(true).map_err(at_start)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(at_start)?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(at_start)?;
        let mut server = Server { dialogue, link: Link::Clear(socket), early: Vec::new() };
        server.play(items)?;
    }
    Ok(())
}

enum Side {
    Client,
    Server,
    Event,
}

fn side(item: &Item) -> Side {
    match item.step {
        Step::Client { .. } | Step::Message { .. } => Side::Client,
        Step::Server { .. } => Side::Server,
        Step::Event(_) => Side::Event,
    }
}

struct Server<'a> {
    dialogue: &'a Dialogue,
    link: Link,
    /// What came behind a flight that ended with `-- flush`.
    early: Vec<u8>,
}

enum Link {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    Gone,
}

impl Server<'_> {
    fn play(&mut self, mut rest: &[Item]) -> Result<(), Wrong> {
        while let Some(first) = rest.first() {
            let alike = |item: &&Item| std::mem::discriminant(&side(item)) == std::mem::discriminant(&side(first));
            let count = match side(first) {
                Side::Event => 1,
                Side::Client | Side::Server => rest.iter().take_while(alike).count(),
            };
            let (now, later) = rest.split_at(count);
            self.step(now).map_err(|what| self.dialogue.wrong(first.line, what))?;
            rest = later;
        }
        Ok(())
    }

    fn step(&mut self, items: &[Item]) -> Result<(), String> {
        match (&items[0].step, side(&items[0])) {
            (_, Side::Server) => {
                self.silence()?;
                let turn: Vec<u8> = items.iter().flat_map(|item| octets(self.dialogue, item)).collect();
                self.link.write(&turn).map_err(|error| format!("the client does not hear: {error}"))
            }
            (_, Side::Client) => {
                let flight: Vec<u8> = items.iter().flat_map(|item| octets(self.dialogue, item)).collect();
                self.hear(&flight)
            }
            (Step::Event(event), _) => self.event(event),
            _ => Ok(()),
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Tls => {
                // Where any certificate will do, it is one that nobody trusts.
                let certificate = match self.dialogue.setup.settings.tls {
                    TlsMode::Opportunistic => &certificates().strange,
                    _ => &certificates().trusted,
                };
                self.handshake(certificate).map_err(|error| format!("no TLS: {error}"))
            }
            // Any certificate will do there, so that TLS itself must go wrong.
            Event::TlsFails(_) if self.dialogue.setup.settings.tls == TlsMode::Opportunistic => {
                let mut hello = [0; 8 * 1024];
                let _ = self.link.read(&mut hello).and_then(|_| self.link.write(b"no TLS here\r\n"));
                self.link = Link::Gone;
                Ok(())
            }
            Event::TlsFails(_) => match self.handshake(&certificates().strange) {
                Ok(()) => Err("TLS stands, and should not".to_owned()),
                Err(_) => Ok(()),
            },
            Event::Lost(_) => {
                self.link = Link::Gone;
                Ok(())
            }
            Event::Closed => self.end("closed"),
            Event::CutOff => self.end("cut off"),
            // Whether two writes are two segments cannot be seen here for sure.
            Event::Flush | Event::NoPassword(_) | Event::ConnectAgain => Ok(()),
            Event::Reencoded | Event::CannotReencode(_) => Ok(()),
            Event::Pause | Event::TimeOut | Event::MessageBreaks(_) => {
                Err(format!("{event:?} cannot be played over a wire"))
            }
        }
    }

    fn handshake(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let Link::Clear(mut socket) = std::mem::replace(&mut self.link, Link::Gone) else {
            return Err(io::Error::other("TLS is on, or nobody is there"));
        };
        let mut connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            let (read, written) = connection.complete_io(&mut socket)?;
            if read == 0 && written == 0 {
                return Err(io::Error::from(ErrorKind::UnexpectedEof));
            }
        }
        self.link = Link::Tls(Box::new(StreamOwned::new(connection, socket)));
        Ok(())
    }

    /// The flight must come in one piece, and nothing with it.
    fn hear(&mut self, flight: &[u8]) -> Result<(), String> {
        let mut heard = std::mem::take(&mut self.early);
        let mut reads = 0;
        let mut octets = vec![0; 64 * 1024];
        while heard.len() < flight.len() && flight.starts_with(&heard) {
            match self.link.read(&mut octets) {
                Ok(0) => break,
                Ok(count) => heard.extend_from_slice(&octets[..count]),
                Err(error) => return Err(format!("{error} after {}", heard.escape_ascii())),
            }
            reads += 1;
        }
        if self.is_flushed(flight) && heard.starts_with(flight) {
            self.early = heard.split_off(flight.len());
        }
        if heard != flight {
            let same = heard.iter().zip(flight).take_while(|(a, b)| a == b).count();
            return Err(format!(
                "after {same} octets of the flight the client says\n    {}\n  and not\n    {}",
                heard[same..].escape_ascii(),
                flight[same..].escape_ascii()
            ));
        }
        if reads > 1 && flight.len() <= ONE_PIECE {
            return Err(format!("the flight came in {reads} pieces"));
        }
        Ok(())
    }

    fn is_flushed(&self, flight: &[u8]) -> bool {
        let is_flush = |item: &Item| item.step == Step::Event(Event::Flush);
        self.dialogue.items.iter().any(is_flush) && !flight.ends_with(b"\r\n.\r\n") && flight != b".\r\n"
    }

    /// Nothing may have come yet that was not waited for.
    fn silence(&mut self) -> Result<(), String> {
        let socket = match &self.link {
            Link::Clear(socket) => socket,
            Link::Tls(stream) => &stream.sock,
            Link::Gone => return Ok(()),
        };
        socket.set_nonblocking(true).map_err(|error| error.to_string())?;
        let mut octets = [0; 256];
        let seen = socket.peek(&mut octets);
        socket.set_nonblocking(false).map_err(|error| error.to_string())?;
        match seen {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Ok(count) if self.early.is_empty() => {
                Err(format!("the client speaks out of turn: {}", octets[..count].escape_ascii()))
            }
            _ => Ok(()),
        }
    }

    /// The client goes: with close_notify under TLS, or without.
    fn end(&mut self, how: &str) -> Result<(), String> {
        let mut octets = [0; 256];
        match (self.link.read(&mut octets), &self.link) {
            (_, Link::Gone) => Ok(()),
            (Ok(0), Link::Tls(_)) if how != "closed" => Err("the client said close_notify".to_owned()),
            (Ok(0), _) => Ok(()),
            (Ok(count), _) => Err(format!("the client goes on: {}", octets[..count].escape_ascii())),
            (Err(error), Link::Tls(_)) if how == "closed" => Err(format!("no close_notify: {error}")),
            // What was not read any more makes a reset of it.
            (Err(error), _) => match error.kind() {
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(format!("the client does not close the connection: {error}")),
            },
        }
    }
}

impl Link {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Clear(socket) => socket.read(octets),
            Link::Tls(stream) => stream.read(octets),
            Link::Gone => Ok(0),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Link::Clear(socket) => socket.write_all(octets),
            Link::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Link::Gone => Err(io::Error::from(ErrorKind::NotConnected)),
        }
    }
}

fn octets(dialogue: &Dialogue, item: &Item) -> Vec<u8> {
    match &item.step {
        Step::Message { .. } if is_reencoded(dialogue, item) => dialogue.setup.reencoded_wire(),
        Step::Server { octets, .. } => octets.clone(),
        step => dialogue.wire(step),
    }
}

/// Whether the message was re-encoded on the connection of this item, and before it.
fn is_reencoded(dialogue: &Dialogue, item: &Item) -> bool {
    let events = dialogue.items.iter().rev().skip_while(|other| other.line >= item.line).map(|other| &other.step);
    let mut events = events.take_while(|step| **step != Step::Event(Event::ConnectAgain));
    events.any(|step| *step == Step::Event(Event::Reencoded))
}

/// The scheme of the server's URL.
pub fn scheme(settings: &Settings) -> &'static str {
    match settings.tls {
        _ if settings.protocol == Protocol::Lmtp => "lmtp",
        TlsMode::Implicit => "submissions",
        TlsMode::Required => "submission",
        TlsMode::Opportunistic | TlsMode::None => "smtp",
    }
}
