//! A smarthost as strict as those of the large providers: it takes mail under one address, in the envelope and in From.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// The only sender it knows.
pub const OWN: &str = "alice@example.org";

pub struct Strict {
    pub address: SocketAddr,
    taken: Receiver<Taken>,
}

/// A message that it took.
pub struct Taken {
    pub recipients: Vec<String>,
    pub octets: Vec<u8>,
}

impl Strict {
    pub fn start() -> Strict {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, taken) = channel();
        thread::spawn(move || listener.incoming().for_each(|stream| drop(serve(stream.unwrap(), &tell))));
        Strict { address, taken }
    }

    /// The messages that it took since the last time.
    pub fn take(&self) -> Vec<Taken> {
        self.taken.try_iter().collect()
    }
}

fn serve(stream: TcpStream, tell: &Sender<Taken>) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut say = |reply: &str| writer.write_all(format!("{reply}\r\n").as_bytes());
    let mut lines = BufReader::new(stream).split(b'\n').map(|line| line.map(|line| line.trim_ascii_end().to_vec()));
    let (mut is_open, mut recipients) = (false, Vec::new());
    say("220 strict ESMTP")?;
    while let Some(line) = lines.next().transpose()? {
        let line = String::from_utf8_lossy(&line).into_owned();
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => say("250-strict\r\n250-8BITMIME\r\n250 PIPELINING")?,
            "MAIL" => {
                is_open = line.starts_with(&format!("MAIL FROM:<{OWN}>"));
                recipients = Vec::new();
                say(if is_open {
                    "250 2.1.0 yes"
                } else {
                    "553 5.7.1 Sender address rejected: not owned by user alice"
                })?;
            }
            "RCPT" if is_open => {
                recipients.push(line["RCPT TO:<".len()..].split('>').next().unwrap().to_owned());
                say("250 2.1.5 yes")?;
            }
            "DATA" if is_open => {
                say("354 go on")?;
                let mut octets = Vec::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == b"." {
                        break;
                    }
                    octets.extend([&line[..], b"\r\n"].concat());
                }
                let parsed = mail_parser::MessageParser::default().parse(&octets).unwrap();
                let authors = parsed.from().map(|from| from.iter().filter_map(|one| one.address()).collect::<Vec<_>>());
                if authors.as_deref() == Some(&[OWN]) {
                    drop(parsed);
                    // Before the reply: the client may have ended when somebody looks.
                    let _ = tell.send(Taken { recipients: std::mem::take(&mut recipients), octets });
                    say("250 2.0.0 taken")?;
                } else {
                    say("550 5.7.60 SMTP; Client does not have permissions to send as this sender")?;
                }
            }
            "QUIT" => return say("221 bye"),
            "RSET" | "NOOP" => say("250 yes")?,
            _ => say("503 5.5.1 no")?,
        }
    }
    Ok(())
}
