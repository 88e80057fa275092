//! A web server that says over TLS what it is told to say, whatever is asked, and remembers the questions.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConfig;

use super::side::Event;

pub struct Web {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<Says>>,
}

#[derive(Clone)]
pub enum Says {
    /// These octets, and then a proper end.
    Octets(Vec<u8>),
    /// These, and then the connection is gone.
    CutOff(Vec<u8>),
    Nothing,
    /// These octets and a proper end, once this has happened.
    After(Arc<Event>, Vec<u8>),
}

/// A text, as it should be said, once something has happened.
pub fn text_after(event: &Arc<Event>, content: &str) -> Says {
    match text(content) {
        Says::Octets(octets) => Says::After(event.clone(), octets),
        other => other,
    }
}

/// A text, as it should be said.
pub fn text(content: &str) -> Says {
    answer("200 OK", "text/plain", content)
}

pub fn answer(status: &str, kind: &str, content: &str) -> Says {
    let length = content.len();
    Says::Octets(
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{content}").into_bytes(),
    )
}

impl Web {
    pub fn start(config: Arc<ServerConfig>, says: Says) -> Web {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let says = Arc::new(Mutex::new(says));
        let (log, words) = (asked.clone(), says.clone());
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (config, log, words) = (config.clone(), log.clone(), words.lock().unwrap().clone());
                thread::spawn(move || drop(serve(stream, config, &log, &words)));
            }
        });
        Web { address, asked, says }
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// The questions since the last time, each as the name that the client wants the certificate to be for, and its head.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, asked: &Mutex<Vec<String>>, says: &Says) -> io::Result<()> {
    let mut session = rustls::ServerConnection::new(config).unwrap();
    let mut secured = rustls::Stream::new(&mut session, &mut stream);
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        secured.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    let name = secured.conn.server_name().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(format!("{name}\n{}", String::from_utf8_lossy(&head)));
    match says {
        Says::Octets(octets) | Says::After(_, octets) => {
            if let Says::After(event, _) = says {
                event.wait();
            }
            secured.write_all(octets)?;
            secured.conn.send_close_notify();
            secured.flush()
        }
        Says::CutOff(octets) => {
            secured.write_all(octets)?;
            secured.flush()
        }
        // Until the client is gone.
        Says::Nothing => secured.read_exact(&mut octet),
    }
}
