//! A mail server that does as it is told, on an address and a port of its choice, and remembers what it got.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConfig;

pub struct Host {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub connections: usize,
    /// Sender and recipients of each transaction that was accepted, and whether it came under TLS.
    pub mails: Vec<(Vec<String>, bool)>,
    /// The message of each, without dot-stuffing.
    pub messages: Vec<Vec<u8>>,
}

/// What it says.
#[derive(Clone)]
pub struct Manner {
    pub greeting: &'static str,
    /// To EHLO and HELO; nothing hangs up.
    pub hello: Option<&'static str>,
    /// One more extension that it offers, where it has no TLS.
    pub extension: Option<&'static str>,
    /// To RCPT.
    pub rcpt: fn(&str) -> &'static str,
    /// To the end of data; nothing hangs up.
    pub data: Option<&'static str>,
    pub tls: Tls,
}

#[derive(Clone)]
pub enum Tls {
    None,
    /// By STARTTLS.
    Upgraded(Arc<ServerConfig>),
    Implicit(Arc<ServerConfig>),
}

impl Default for Manner {
    fn default() -> Self {
        Manner {
            greeting: "220 mx",
            hello: Some("250"),
            extension: None,
            rcpt: |_| "250 ok",
            data: Some("250 2.0.0 taken"),
            tls: Tls::None,
        }
    }
}

impl Host {
    pub fn start(last: u8, port: u16, manner: Manner) -> Host {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let here = seen.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                here.lock().unwrap().connections += 1;
                let (manner, here) = (manner.clone(), here.clone());
                thread::spawn(move || drop(serve(stream, &manner, &here)));
            }
        });
        Host { address, seen }
    }

    /// What came since the last time.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Who got mail since the last time, a list for each transaction.
    pub fn mails(&self) -> Vec<Vec<String>> {
        self.take().mails.into_iter().map(|(to, _)| to).collect()
    }
}

fn serve(mut stream: TcpStream, manner: &Manner, seen: &Mutex<Seen>) -> io::Result<()> {
    if let Tls::Implicit(config) = &manner.tls {
        let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut secured = rustls::Stream::new(&mut session, &mut stream);
        say(&mut secured, manner.greeting)?;
        return converse(&mut secured, manner, seen, true).map(drop);
    }
    say(&mut stream, manner.greeting)?;
    if converse(&mut stream, manner, seen, false)?
        && let Tls::Upgraded(config) = &manner.tls
    {
        let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut secured = rustls::Stream::new(&mut session, &mut stream);
        converse(&mut secured, manner, seen, true)?;
    }
    Ok(())
}

fn say(stream: &mut impl Write, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}

fn line(stream: &mut impl Read) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&octets(stream)?).trim_end().to_owned())
}

/// A line with its end.
fn octets(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut octet)?;
        line.push(octet[0]);
    }
    Ok(line)
}

fn message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let line = octets(stream)?;
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// Whether it ends with STARTTLS.
fn converse(stream: &mut (impl Read + Write), manner: &Manner, seen: &Mutex<Seen>, secure: bool) -> io::Result<bool> {
    let mut recipients = Vec::new();
    loop {
        let command = line(stream)?;
        let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => {
                let Some(reply) = manner.hello else { return Ok(false) };
                if reply == "250" && verb == "EHLO" && !secure && matches!(manner.tls, Tls::Upgraded(_)) {
                    say(stream, "250-mx\r\n250 STARTTLS")?;
                } else if reply == "250" && verb == "EHLO" {
                    let more = manner.extension.map(|extension| format!("250-{extension}\r\n")).unwrap_or_default();
                    say(stream, &format!("250-mx\r\n250-AUTH PLAIN\r\n{more}250 SIZE"))?;
                } else {
                    say(stream, reply)?;
                }
            }
            "STAR" => {
                say(stream, "220 go")?;
                return Ok(true);
            }
            "AUTH" => say(stream, "235 in")?,
            "RCPT" => {
                let to = command[9..command.find('>').unwrap()].to_owned();
                let reply = (manner.rcpt)(&to);
                if reply.starts_with('2') {
                    recipients.push(to);
                }
                say(stream, reply)?;
            }
            "DATA" => {
                say(stream, "354 go")?;
                let message = message(stream)?;
                let Some(reply) = manner.data else { return Ok(false) };
                let to = std::mem::take(&mut recipients);
                if reply.starts_with('2') {
                    let mut seen = seen.lock().unwrap();
                    seen.mails.push((to, secure));
                    seen.messages.push(message);
                }
                say(stream, reply)?;
            }
            "QUIT" => return say(stream, "221 bye").map(|()| false),
            _ => {
                if verb == "RSET" {
                    recipients.clear();
                }
                say(stream, "250 ok")?;
            }
        }
    }
}
