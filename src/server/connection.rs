//! One connection of the sink: a socket, a session, and the message on its way.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::options::Options;
use super::session::{Action, Ending, GiveUp, Security, Session, Verdict};
use super::sink::SinkEvent;
use super::store::{Received, Store, TlsFacts, Writer};
use super::transaction::Transaction;

/// What all connections of a sink have in common.
pub(super) struct Shared {
    pub options: Arc<Options>,
    pub store: Store,
    pub acceptor: TlsAcceptor,
    pub idle: Duration,
    /// How many messages may still come; `None` for any number.
    pub left: Cell<Option<u64>>,
    pub events: mpsc::Sender<Notice>,
}

/// An event, and where to say that it has been heard: a message is reported before its 250 is sent.
pub(super) struct Notice {
    pub event: SinkEvent,
    pub heard: oneshot::Sender<()>,
}

impl Shared {
    async fn tell(&self, event: SinkEvent) {
        let (heard, wait) = oneshot::channel();
        // When nobody listens any more, the sink ends.
        if self.events.send(Notice { event, heard }).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Serves one connection to its end, and reports what goes wrong.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, security: Security, shared: Rc<Shared>, room: Room) {
    // A small reply must not wait for more.
    let _ = socket.set_nodelay(true);
    let mut connection = match Connection::open(socket, peer, security, Rc::clone(&shared)).await {
        Ok(connection) => connection,
        Err(text) => return shared.tell(SinkEvent::Trouble { peer, text }).await,
    };
    if room == Room::Full {
        connection.session.give_up(GiveUp::Busy);
    }
    if let Err(text) = connection.converse().await {
        shared.tell(SinkEvent::Trouble { peer, text }).await;
    }
}

/// Whether another connection can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Left,
    /// It is only told so.
    Full,
}

struct Connection {
    stream: Stream,
    session: Session,
    peer: SocketAddr,
    shared: Rc<Shared>,
    message: Option<Incoming>,
}

struct Incoming {
    transaction: Box<Transaction>,
    size: u64,
    /// An error is kept until the end of data, where it can be told.
    writer: io::Result<Writer>,
}

impl Connection {
    async fn open(socket: TcpStream, peer: SocketAddr, security: Security, shared: Rc<Shared>) -> Result<Self, String> {
        let stream = match security {
            Security::Clear => Stream::Clear(socket),
            Security::Tls => Stream::Tls(handshake(socket, &shared).await?),
        };
        let session = Session::new(Arc::clone(&shared.options), security, nonce()?);
        Ok(Connection { stream, session, peer, shared, message: None })
    }

    async fn converse(&mut self) -> Result<(), String> {
        let idle = self.shared.idle;
        let end = Instant::now() + LONGEST_SESSION;
        let mut deadline = Instant::now() + idle;
        let mut block = vec![0; BLOCK];
        loop {
            let action = self.session.next();
            // Octets that make no command and no data win no time.
            if action != Action::NeedMore {
                deadline = end.min(Instant::now() + idle);
            }
            match action {
                Action::Write(octets) => match timeout(idle, self.stream.write(&octets)).await {
                    Ok(result) => result.map_err(|error| self.lost(&error))?,
                    Err(_) => return Err("the client does not read replies".to_owned()),
                },
                Action::NeedMore => match timeout_at(deadline, self.stream.read(&mut block)).await {
                    Ok(Ok(0)) => return self.at_end_of_input(),
                    Ok(Ok(count)) => self.session.feed(&block[..count]),
                    Ok(Err(error)) if self.session.ending() == Ending::BetweenCommands && is_farewell(&error) => {
                        return Ok(());
                    }
                    Ok(Err(error)) => return Err(self.lost(&error)),
                    Err(_) => {
                        self.message = None;
                        self.session.give_up(GiveUp::TimedOut);
                    }
                },
                Action::StartTls => {
                    self.start_tls().await?;
                    self.session.tls_started();
                }
                Action::Begin(transaction) => {
                    let writer = self.shared.store.begin(&self.shared.options.hostname, &transaction);
                    self.message = Some(Incoming { transaction, size: 0, writer });
                }
                Action::Data(octets) => self.push(&octets),
                Action::Discard => self.message = None,
                Action::End => {
                    let verdict = self.finish().await;
                    self.session.conclude(verdict);
                }
                Action::Close => {
                    // The peer may be gone, which is as good.
                    let _ = timeout(idle, self.stream.shutdown()).await;
                    return Ok(());
                }
            }
        }
    }

    fn push(&mut self, octets: &[u8]) {
        let Some(message) = &mut self.message else { return };
        message.size += octets.len() as u64;
        if let Ok(writer) = &mut message.writer
            && let Err(error) = writer.push(octets)
        {
            message.writer = Err(error);
        }
    }

    /// Stores the message, reports it, and says what the client is told.
    async fn finish(&mut self) -> Verdict {
        let Some(message) = self.message.take() else { return Verdict::Deferred("there is no message".into()) };
        let left = self.shared.left.get();
        if left == Some(0) {
            return Verdict::Deferred("no more messages are taken".into());
        }
        let content = match message.writer.and_then(Writer::finish) {
            Ok(content) => content,
            Err(error) => {
                let text = format!("the message could not be stored: {error}");
                self.shared.tell(SinkEvent::Trouble { peer: self.peer, text }).await;
                return Verdict::Deferred("the message could not be stored".into());
            }
        };
        self.shared.left.set(left.map(|left| left - 1));
        let size = message.size;
        let received = Box::new(Received {
            peer: self.peer,
            hello: self.session.hello().unwrap_or_default().to_owned(),
            user: self.session.user().map(str::to_owned),
            tls: self.stream.tls(),
            transaction: *message.transaction,
            size,
            content,
        });
        let output = self.shared.store.output(&received);
        self.shared.tell(SinkEvent::Message { received, output }).await;
        Verdict::Accepted(format!("{size} octets taken").into())
    }

    async fn start_tls(&mut self) -> Result<(), String> {
        let Stream::Clear(socket) = std::mem::replace(&mut self.stream, Stream::Nothing) else {
            return Err("TLS was to begin twice".to_owned());
        };
        self.stream = Stream::Tls(handshake(socket, &self.shared).await?);
        Ok(())
    }

    fn at_end_of_input(&self) -> Result<(), String> {
        match self.session.ending() {
            Ending::BetweenCommands => Ok(()),
            Ending::InsideMessage => {
                Err("the client closed the connection inside a message, which is dropped".to_owned())
            }
        }
    }

    fn lost(&self, error: &io::Error) -> String {
        format!("the connection is lost: {error}")
    }
}

async fn handshake(socket: TcpStream, shared: &Shared) -> Result<Box<TlsStream<TcpStream>>, String> {
    match timeout(shared.idle.min(LONGEST_HANDSHAKE), shared.acceptor.accept(socket)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(format!("the TLS handshake failed: {error}")),
        Err(_) => Err("the TLS handshake took too long".to_owned()),
    }
}

/// A client that goes without QUIT or without closing TLS harms nobody between commands.
fn is_farewell(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn nonce() -> Result<String, String> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// While TLS begins, and after it failed.
    Nothing,
}

impl Stream {
    async fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Clear(stream) => stream.read(block).await,
            Stream::Tls(stream) => stream.read(block).await,
            Stream::Nothing => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Stream::Clear(stream) => stream.write_all(octets).await,
            Stream::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
            Stream::Nothing => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Stream::Clear(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Nothing => Ok(()),
        }
    }

    fn tls(&self) -> Option<TlsFacts> {
        let Stream::Tls(stream) = self else { return None };
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        };
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
        // rustls says TLS13_ where the registry says TLS_.
        let cipher = cipher.replacen("TLS13_", "TLS_", 1);
        Some(TlsFacts { version: version.to_owned(), cipher })
    }
}

/// Octets that are read at once; with TLS, a record.
const BLOCK: usize = 1 << 16;

/// A client that drips cannot hold a connection for longer.
const LONGEST_SESSION: Duration = Duration::from_secs(60 * 60);

const LONGEST_HANDSHAKE: Duration = Duration::from_secs(60);
