//! What hostile servers do, one method for each trick.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wire::Peer;

/// A server that takes a message, without an extension: its reply to each command, the greeting first.
pub const GOOD: [&str; 7] = ["220 x", "250 x", "250 ok", "250 ok", "354 go", "250 taken", "221 bye"];

/// Between two octets of a server that drips.
const DRIP: Duration = Duration::from_millis(20);

/// The hostile server's end of a connection.
pub struct Foe<'a> {
    pub peer: &'a mut Peer,
    /// Tells when the program has ended.
    pub over: &'a Receiver<()>,
}

impl Deref for Foe<'_> {
    type Target = Peer;
    fn deref(&self) -> &Peer {
        self.peer
    }
}

impl DerefMut for Foe<'_> {
    fn deref_mut(&mut self) -> &mut Peer {
        self.peer
    }
}

impl Foe<'_> {
    /// A good server up to the `stage`th reply, the greeting being 0. The command (or message) that the next reply
    /// belongs to has been read.
    pub fn good_until(&mut self, stage: usize) -> io::Result<()> {
        self.answer(&GOOD[..stage])?;
        match stage {
            0 => Ok(()),
            5 => self.message(),
            _ => self.line().map(drop),
        }
    }

    /// The rest of a good server's part, the `stage`th reply included.
    pub fn good_from(&mut self, stage: usize) -> io::Result<()> {
        for (at, reply) in GOOD.iter().enumerate().skip(stage) {
            self.say(format!("{reply}\r\n"))?;
            match at {
                4 => self.message()?,
                6 => return Ok(()),
                _ => drop(self.line()?),
            }
        }
        Ok(())
    }

    /// Says this, and then that without end.
    pub fn flood(&mut self, begin: &[u8], with: &[u8]) -> io::Result<()> {
        self.say(begin)?;
        let block = with.repeat(1 + (64 << 10) / with.len());
        loop {
            self.say(&block)?;
        }
    }

    /// Says this, over and over, an octet now and an octet then.
    pub fn drip(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.set_read_timeout(Some(DRIP))?;
        let mut block = [0; 1024];
        for octet in octets.iter().cycle() {
            self.say([*octet])?;
            match self.stream.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(count) => self.record(&block[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says nothing any more, but listens.
    pub fn be_silent(&mut self) -> io::Result<()> {
        self.read_until(|_| false)
    }

    /// Reads to the end of a message, of which a part may have been read, in large pieces.
    pub fn rest_of_message(&mut self) -> io::Result<()> {
        self.read_until(|octets| octets.ends_with(b"\r\n.\r\n"))
    }

    fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        let mut heard = vec![0_u8; 5];
        let mut block = [0; 64 << 10];
        loop {
            match self.stream.read(&mut block)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => {
                    self.record(&block[..count]);
                    heard.drain(..heard.len() - 5);
                    heard.extend_from_slice(&block[..count]);
                }
            }
            if is_enough(&heard) {
                return Ok(());
            }
        }
    }

    /// Neither says nor reads anything.
    pub fn be_deaf(&mut self) -> io::Result<()> {
        let _ = self.over.recv();
        Ok(())
    }

    /// Ends the connection by RST.
    pub fn reset(&mut self) -> io::Result<()> {
        Ok(rustix::net::connect_unspec(&self.stream)?)
    }

    /// Answers EHLO with these capabilities; the next command has been read, and is given back.
    pub fn hello(&mut self, capabilities: &[&str]) -> io::Result<String> {
        let mut reply = "250-x\r\n".to_owned();
        for line in capabilities {
            reply += &format!("250-{line}\r\n");
        }
        self.answer(&["220 x"])?;
        self.line()?;
        self.say(reply + "250 HELP\r\n")?;
        self.line()
    }

    /// Offers STARTTLS, and agrees.
    pub fn start_tls(&mut self, config: &Arc<ServerConfig>) -> io::Result<Secure> {
        self.hello(&["STARTTLS"])?;
        self.say("220 go\r\n")?;
        self.secure(config)
    }

    /// The handshake.
    pub fn secure(&mut self, config: &Arc<ServerConfig>) -> io::Result<Secure> {
        let mut socket = self.stream.try_clone()?;
        let mut connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            if connection.complete_io(&mut socket)? == (0, 0) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Secure { stream: StreamOwned::new(connection, socket) })
    }
}

/// The same under TLS.
pub struct Secure {
    pub stream: StreamOwned<ServerConnection, TcpStream>,
}

impl Secure {
    pub fn say(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(octets.as_ref())?;
        self.stream.flush()
    }

    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut octet = [0];
        while !line.ends_with(b"\r\n") {
            self.stream.read_exact(&mut octet)?;
            line.push(octet[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Reads a command and answers it, for each of these.
    pub fn answer(&mut self, replies: &[&str]) -> io::Result<()> {
        for reply in replies {
            self.line()?;
            self.say(format!("{reply}\r\n"))?;
        }
        Ok(())
    }

    pub fn flood(&mut self, begin: &[u8], with: &[u8]) -> io::Result<()> {
        self.say(begin)?;
        let block = with.repeat(1 + (64 << 10) / with.len());
        loop {
            self.say(&block)?;
        }
    }
}
