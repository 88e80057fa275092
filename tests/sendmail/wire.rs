//! A listener on loopback that serves its connections one after the other, and records what clients say.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub struct Wire {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    synced: Receiver<()>,
}

#[derive(Default)]
struct Shared {
    recorded: Recorded,
    /// The connection that is none of a client: behind it, all of theirs are over.
    marker: Option<SocketAddr>,
    closing: bool,
}

/// What clients said, all connections in a row.
#[derive(Default)]
pub struct Recorded {
    pub connections: usize,
    pub octets: Vec<u8>,
}

impl Recorded {
    pub fn has(&self, octets: &[u8]) -> bool {
        holds(&self.octets, octets)
    }
}

pub fn holds(octets: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(octets, part).is_some()
}

impl Wire {
    /// Serves each connection by `script`; an error only means that the client is gone.
    pub fn open(script: impl FnMut(&mut Peer) -> io::Result<()> + Send + 'static) -> Wire {
        Wire::open_at(0, script)
    }

    /// The same at a port that somebody else knows; 0 is any.
    pub fn open_at(port: u16, mut script: impl FnMut(&mut Peer) -> io::Result<()> + Send + 'static) -> Wire {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        // The one before may still be about to leave the port.
        let again = (0..1000).find_map(|_| bind().inspect_err(|_| thread::sleep(Duration::from_millis(5))).ok());
        let listener = again.unwrap_or_else(|| bind().unwrap());
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (tell, synced) = channel();
        let here = Arc::clone(&shared);
        thread::spawn(move || {
            loop {
                let (stream, from) = listener.accept().unwrap();
                {
                    let mut shared = here.lock().unwrap();
                    if shared.marker == Some(from) {
                        shared.marker = None;
                        if shared.closing || tell.send(()).is_err() {
                            return;
                        }
                        continue;
                    }
                    shared.recorded.connections += 1;
                }
                let mut peer = Peer { stream, shared: Arc::clone(&here) };
                let _ = script(&mut peer);
                let _ = peer.stream.shutdown(Shutdown::Write);
                peer.rest();
            }
        });
        Wire { address, shared, synced }
    }

    /// What was recorded since the last time. Call it when the client has ended: it waits for the ends of its
    /// connections.
    pub fn take(&self) -> Recorded {
        self.mark(false);
        self.synced.recv().unwrap();
        std::mem::take(&mut self.shared.lock().unwrap().recorded)
    }

    fn mark(&self, closing: bool) {
        // Nobody looks at the marker while the lock is held.
        let mut shared = self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Ok(stream) = TcpStream::connect(self.address) {
            shared.marker = stream.local_addr().ok();
        }
        shared.closing = closing;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.mark(true);
    }
}

/// The server's end of a connection.
pub struct Peer {
    pub stream: TcpStream,
    shared: Arc<Mutex<Shared>>,
}

impl Peer {
    pub fn say(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(octets.as_ref())
    }

    pub fn record(&self, octets: &[u8]) {
        self.shared.lock().unwrap().recorded.octets.extend_from_slice(octets);
    }

    /// A line without its end. Octet by octet, so that nothing is read too far.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut octet = [0];
        while !line.ends_with(b"\r\n") {
            self.stream.read_exact(&mut octet)?;
            self.record(&octet);
            line.push(octet[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Reads to the end of the message.
    pub fn message(&mut self) -> io::Result<()> {
        while self.line()? != "." {}
        Ok(())
    }

    /// Answers to each of these commands, the first being the greeting, and leaves the next command to the caller.
    pub fn answer(&mut self, replies: &[&str]) -> io::Result<()> {
        for (at, reply) in replies.iter().enumerate() {
            if at > 0 {
                self.line()?;
            }
            self.say(format!("{reply}\r\n"))?;
        }
        Ok(())
    }

    fn rest(&mut self) {
        let mut block = [0; 64 << 10];
        while let Ok(count @ 1..) = self.stream.read(&mut block) {
            self.record(&block[..count]);
        }
    }

    /// Puts the client through to another server, and records what it says.
    pub fn forward(&mut self, upstream: TcpStream) -> io::Result<()> {
        let (mut from_client, mut to_client) = (self.stream.try_clone()?, self.stream.try_clone()?);
        let (mut from_server, mut to_server) = (upstream.try_clone()?, upstream);
        thread::scope(|scope| {
            scope.spawn(move || {
                let _ = io::copy(&mut from_server, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Write);
            });
            let mut block = [0; 64 << 10];
            while let Ok(count @ 1..) = from_client.read(&mut block) {
                self.record(&block[..count]);
                if to_server.write_all(&block[..count]).is_err() {
                    break;
                }
            }
            let _ = to_server.shutdown(Shutdown::Write);
        });
        Ok(())
    }
}
