//! A small SMTP server for one machine, which relays nothing: scripts are tried against it, and so is posthaste.
//!
//! It runs on the current thread, needs no `LocalSet` around it, and prints nothing: what happens goes to a callback.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::certificate::{Certificate, CertificateError};
use super::connection::{Notice, Room, Shared, serve};
use super::options::Options;
use super::session::Security;
use super::store::{Received, Store};

/// How a sink is set up.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Where it listens for SMTP with STARTTLS; port 0 takes a free one.
    pub smtp: SocketAddr,
    /// Where it listens for SMTP over TLS, if anywhere.
    pub submissions: Option<SocketAddr>,
    /// Whether other machines may reach it.
    pub reach: Reach,
    /// The rules of its sessions.
    pub session: Options,
    /// What is done with messages.
    pub store: Store,
    /// So many messages are taken, then the sink ends; `None` for no end.
    pub count: Option<u64>,
    /// So many connections are served at once; others get 421.
    pub connections: usize,
    /// How long a client may say nothing. RFC 5321 section 4.5.3.2.7 asks for five minutes.
    pub idle: Duration,
}

impl Default for SinkOptions {
    /// Free ports on 127.0.0.1 for both listeners, messages in memory, 100 connections, five minutes.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        SinkOptions {
            smtp: free,
            submissions: Some(free),
            reach: Reach::Loopback,
            session: Options::default(),
            store: Store::Memory,
            count: None,
            connections: 100,
            idle: Duration::from_secs(5 * 60),
        }
    }
}

/// Whether other machines may reach the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// An address that is not of the loopback is refused.
    Loopback,
    /// Any address will do.
    Anywhere,
}

/// What happens in a sink.
#[derive(Clone, Debug)]
pub enum SinkEvent {
    /// A message is stored; its 250 is sent when the callback returns.
    Message {
        /// The message.
        received: Box<Received>,
        /// What the store would have printed, complete lines; may be empty.
        output: String,
    },
    /// A client had trouble, or made some: no TLS, a cut-off message, a full disk.
    Trouble {
        /// Who.
        peer: SocketAddr,
        /// What, in words. What came from the client is not in them.
        text: String,
    },
}

/// A sink that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The address can be reached by others, and nobody said that it may.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be made.
    #[error("cannot make the Maildir {}: {source}", directory.display())]
    Store {
        /// Which.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// A sink that listens. Clients can connect at once; they are served when [`Sink::run`] runs.
#[derive(Debug)]
pub struct Sink {
    options: SinkOptions,
    certificate: Certificate,
    smtp: TcpListener,
    submissions: Option<TcpListener>,
    smtp_addr: SocketAddr,
    submissions_addr: Option<SocketAddr>,
}

impl Sink {
    /// Makes the certificate and the store, and listens. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`SinkError`] says which of these failed.
    pub async fn bind(options: SinkOptions) -> Result<Self, SinkError> {
        let mut names = vec![options.session.hostname.clone()];
        for address in [Some(options.smtp), options.submissions].into_iter().flatten() {
            let ip = address.ip().to_canonical();
            if options.reach == Reach::Loopback && !ip.is_loopback() {
                return Err(SinkError::NotLoopback(address));
            }
            if !ip.is_unspecified() {
                names.push(ip.to_string());
            }
        }
        if let (Err(source), Store::Maildir(directory)) = (options.store.prepare(), &options.store) {
            return Err(SinkError::Store { directory: directory.clone(), source });
        }
        let certificate = Certificate::make(&names)?;
        let (smtp, smtp_addr) = listen(options.smtp).await?;
        let (submissions, submissions_addr) = match options.submissions {
            Some(address) => listen(address).await.map(|(listener, address)| (Some(listener), Some(address)))?,
            None => (None, None),
        };
        Ok(Sink { options, certificate, smtp, submissions, smtp_addr, submissions_addr })
    }

    /// Where it listens for SMTP with STARTTLS.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// Where it listens for SMTP over TLS.
    pub fn submissions_addr(&self) -> Option<SocketAddr> {
        self.submissions_addr
    }

    /// The authority that a client must trust, in PEM.
    pub fn certificate_pem(&self) -> &str {
        self.certificate.authority_pem()
    }

    /// The certificates in full.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Serves until `stop` is done, or the messages asked for have come and the clients have gone, for whom it waits
    /// five seconds at most. What is under way when `stop` is done is dropped without a 250. Says how many
    /// messages came.
    pub async fn run(self, mut on_event: impl FnMut(SinkEvent), stop: impl Future<Output = ()>) -> u64 {
        let Sink { options, certificate, smtp, submissions, .. } = self;
        let (events, mut notices) = mpsc::channel(1);
        let shared = Rc::new(Shared {
            options: Arc::new(options.session),
            store: options.store,
            acceptor: TlsAcceptor::from(certificate.config()),
            idle: options.idle,
            left: Cell::new(options.count),
            events,
        });
        let mut messages = 0;
        let mut hear = |Notice { event, heard }: Notice| {
            messages += u64::from(matches!(event, SinkEvent::Message { .. }));
            on_event(event);
            // The connection may be gone.
            let _ = heard.send(());
        };
        let serving = async {
            let mut connections = JoinSet::new();
            let mut stop = pin!(stop);
            let mut patience = None;
            loop {
                let taking = shared.left.get() != Some(0);
                if !taking {
                    if connections.is_empty() {
                        break;
                    }
                    patience.get_or_insert(Instant::now() + PATIENCE);
                }
                let (accepted, security) = tokio::select! {
                    accepted = smtp.accept(), if taking => (accepted, Security::Clear),
                    accepted = accept(submissions.as_ref()), if taking => (accepted, Security::Tls),
                    Some(notice) = notices.recv() => {
                        hear(notice);
                        continue;
                    }
                    Some(_) = connections.join_next() => continue,
                    () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => break,
                    () = &mut stop => break,
                };
                match accepted {
                    Ok((socket, peer)) => {
                        let room = if connections.len() < options.connections { Room::Left } else { Room::Full };
                        // Those who are only told to go away are not without number either.
                        if connections.len() < 2 * options.connections.max(1) {
                            connections.spawn_local(serve(socket, peer, security, Rc::clone(&shared), room));
                        }
                    }
                    // Out of descriptors, or a client that is gone already: neither is helped by haste.
                    Err(_) => sleep(RECOVERY).await,
                }
            }
            while let Ok(notice) = notices.try_recv() {
                hear(notice);
            }
        };
        LocalSet::new().run_until(serving).await;
        messages
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SinkError> {
    let failed = |source| SinkError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Never done when there is no listener.
async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// How long clients may linger when the last message has come.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be accepted.
const RECOVERY: Duration = Duration::from_millis(50);
