//! The sink in a thread of its own, behind a wire that records.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use posthaste::server::options::{Credential, Extension, Faults, Login, Options, Tls};
use posthaste::server::sink::{Sink, SinkEvent, SinkOptions};
use posthaste::server::store::{Content, Received};
use posthaste::server::transaction::{Body, Transaction};
use tokio::sync::oneshot;

use super::wire::{Recorded, Wire};

pub struct Relay {
    pub wire: Wire,
    /// Past the wire.
    pub behind: SocketAddr,
    /// The authority of its certificate.
    pub pem: String,
    events: Receiver<SinkEvent>,
    _stop: oneshot::Sender<()>,
}

/// A message as the relay got it, dots unstuffed.
pub struct Mail {
    pub sender: String,
    pub recipients: Vec<String>,
    pub body_type: Option<Body>,
    /// All that MAIL and RCPT said.
    pub envelope: Transaction,
    pub user: Option<String>,
    pub octets: Vec<u8>,
}

/// What the relay saw of a run of the program.
pub struct Seen {
    pub mails: Vec<Mail>,
    pub wire: Recorded,
    /// What went wrong on the relay's side, such as a message that was cut off.
    pub troubles: Vec<String>,
}

/// What most tests want: no TLS, no login, and trouble on demand.
pub fn plain() -> Options {
    Options { tls: Tls::Absent, login: Login::Absent, faults: Faults::ByLocalPart, ..Options::default() }
}

pub fn without(extension: Extension) -> Options {
    let extensions = Extension::ALL.into_iter().filter(|offered| *offered != extension).collect();
    Options { extensions, ..plain() }
}

/// STARTTLS first, then a login as this user.
pub fn guarded(user: &str, password: &str) -> Options {
    let credential = Credential::Only { user: user.to_owned(), password: password.into() };
    let mechanisms = Login::Required { mechanisms: posthaste::smtp::sasl::BY_STRENGTH.to_vec(), credential };
    Options { tls: Tls::Required, login: mechanisms, ..plain() }
}

/// The settings of an account that logs in; `ca.pem` is the file for the relay's authority.
pub fn login(server: SocketAddr, user: &str, password: &str) -> String {
    let server = format!("server = \"submission://{server}\"\ntls-ca-file = \"ca.pem\"\n");
    format!("{server}user = \"{user}\"\npassword = \"{password}\"\n")
}

impl Relay {
    pub fn start(session: Options) -> Relay {
        Relay::start_at(0, session)
    }

    /// The same at a port that somebody else knows; 0 is any.
    pub fn start_at(port: u16, session: Options) -> Relay {
        let (tell_place, place) = channel();
        let (tell, events) = channel();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let sink = Sink::bind(SinkOptions { session, ..SinkOptions::default() }).await.unwrap();
                tell_place.send((sink.smtp_addr(), sink.certificate_pem().to_owned())).unwrap();
                sink.run(|event| _ = tell.send(event), async { _ = stopped.await }).await;
            });
        });
        let (address, pem) = place.recv().unwrap();
        Relay {
            wire: Wire::open_at(port, move |peer| peer.forward(TcpStream::connect(address)?)),
            behind: address,
            pem,
            events,
            _stop: stop,
        }
    }

    /// The settings of an account that logs in over STARTTLS.
    pub fn login(&self, user: &str, password: &str) -> String {
        login(self.wire.address, user, password)
    }

    /// What came since the last time; see [`Wire::take`].
    pub fn take(&self) -> Seen {
        let mut seen = Seen { wire: self.wire.take(), mails: Vec::new(), troubles: Vec::new() };
        for event in self.events.try_iter() {
            match event {
                SinkEvent::Message { received, .. } => seen.mails.push(Mail::of(*received)),
                SinkEvent::Trouble { text, .. } => seen.troubles.push(text),
            }
        }
        seen
    }
}

impl Seen {
    /// The one message.
    pub fn mail(mut self) -> Mail {
        assert_eq!((self.mails.len(), &self.troubles), (1, &Vec::new()));
        self.mails.pop().unwrap()
    }

    /// That no transaction was begun.
    pub fn assert_nothing(&self) {
        assert!(self.mails.is_empty() && self.troubles.is_empty(), "{:?}", self.troubles);
        assert!(!self.wire.has(b"MAIL FROM"), "{}", self.wire.octets.escape_ascii());
    }
}

impl Mail {
    fn of(received: Received) -> Mail {
        let Content::Memory(octets) = received.content else { panic!("not in memory") };
        Mail {
            sender: received.transaction.sender.as_str().to_owned(),
            recipients: received.transaction.recipients.iter().map(|to| to.address.as_str().to_owned()).collect(),
            body_type: received.transaction.body,
            envelope: received.transaction,
            user: received.user,
            octets,
        }
    }

    /// The values of a field, in order, folds and all.
    pub fn fields(&self, name: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut is_open = false;
        for line in self.header().split_inclusive('\n') {
            let continues = line.starts_with([' ', '\t']);
            match line.split_once(':') {
                _ if continues => {}
                Some((field, _)) => is_open = field.eq_ignore_ascii_case(name),
                None => panic!("no field: {line:?}"),
            }
            match (is_open, continues) {
                (true, false) => found.push(line[name.len() + 1..].to_owned()),
                (true, true) => found.last_mut().unwrap().push_str(line),
                (false, _) => {}
            }
        }
        found.iter().map(|value| value.trim().to_owned()).collect()
    }

    pub fn field(&self, name: &str) -> String {
        let mut found = self.fields(name);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found.pop().unwrap()
    }

    pub fn header(&self) -> String {
        String::from_utf8_lossy(&self.octets[..self.split().unwrap_or(self.octets.len())]).into_owned()
    }

    pub fn body(&self) -> &[u8] {
        self.split().map_or(&[], |at| &self.octets[at + 2..])
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.body()).unwrap()
    }

    /// The body as a reader of mail shows it, with LF.
    pub fn decoded(&self) -> String {
        let parsed = mail_parser::MessageParser::default().parse(&self.octets).unwrap();
        parsed.body_text(0).unwrap().replace("\r\n", "\n")
    }

    /// Name and address of the author.
    pub fn author(&self) -> (Option<String>, String) {
        let parsed = mail_parser::MessageParser::default().parse(&self.octets).unwrap();
        let author = parsed.from().unwrap().first().unwrap();
        (author.name().map(str::to_owned), author.address().unwrap().to_owned())
    }

    /// What SMTP asks of every message: lines with CRLF, and neither a lone CR or LF nor a NUL (RFC 5321 section
    /// 2.3.8), none of them longer than 998 octets unless it cannot be folded.
    pub fn assert_clean(&self) {
        assert!(self.octets.ends_with(b"\r\n") && self.split().is_some());
        for line in self.octets.split_inclusive(|octet| *octet == b'\n') {
            let text = line.strip_suffix(b"\r\n").unwrap();
            assert!(!text.contains(&b'\r') && !text.contains(&0), "{}", line.escape_ascii());
            assert!(text.len() <= 998, "a line of {} octets", text.len());
        }
    }

    /// Where the header ends; another sendmail than ours may have sent none that does.
    fn split(&self) -> Option<usize> {
        memchr::memmem::find(&self.octets, b"\r\n\r\n").map(|at| at + 2)
    }
}
