//! The connections to one name server: UDP, and TCP for what is too long for it; or TLS alone.
//!
//! The library's own pool of servers is not used. It weighs them by how quick they were, in floating point, for which
//! libm would be loaded at each start of the program, by those too that look nothing up: 330 KB and nine system calls.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle as _, FirstAnswer as _};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};
use hickory_resolver::{ConnectionProvider as _, PoolContext};
use tokio::sync::Mutex;

use super::AT_ONCE;

/// How one server is asked.
pub(super) struct Link {
    address: SocketAddr,
    /// How long the library waits.
    patience: Duration,
    /// The first that is tried, and the one for an answer that was cut short.
    ways: Vec<Way>,
    /// With it end the connections.
    provider: TokioRuntimeProvider,
}

type Connection = DnsExchange<TokioRuntimeProvider>;

/// What is spoken with a server.
pub(super) enum Protocol {
    Udp,
    Tcp,
    /// As the library wants it.
    Tls(Box<(ConnectionConfig, PoolContext)>),
}

struct Way {
    protocol: Protocol,
    /// Made at the first question, and kept until something goes wrong. Who opens it holds the lock: others have the same
    /// connection then, and not each their own.
    open: Mutex<Option<Rc<Connection>>>,
}

/// How often a question is asked again on a connection that it shares, before it gets one for itself: a server may close one
/// after each answer.
const SHARED: usize = 2;

impl Link {
    /// A server at an address. Nothing is opened.
    pub(super) fn new(address: SocketAddr, protocols: Vec<Protocol>, patience: Duration) -> Self {
        let ways = protocols.into_iter().map(|protocol| Way { protocol, open: Mutex::default() }).collect();
        Link { address, patience, ways, provider: TokioRuntimeProvider::default() }
    }

    /// Asks. Whoever asks limits the time.
    pub(super) async fn ask(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        for way in &self.ways {
            let response = self.by(way, request).await?;
            if !response.truncation {
                return Ok(response);
            }
        }
        Err(NetError::Truncated)
    }

    /// Lets go of the connections, because the server is silent: they may lead nowhere by now, which nobody would tell us.
    /// Questions that are on their way are not disturbed.
    pub(super) fn forget(&self) {
        for way in &self.ways {
            // Where somebody is just opening another one, there is nothing to let go of.
            if let Ok(mut open) = way.open.try_lock() {
                *open = None;
            }
        }
    }

    async fn by(&self, way: &Way, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let mut dead = None;
        for _ in 0..SHARED {
            let open = self.shared(way, dead.as_ref()).await?;
            match open.send(request.clone()).first_answer().await {
                // A server closes what is idle (RFC 7766 section 6.2.3); a new connection shows whether it is well.
                Err(error) if is_of_connection(&error) => dead = Some(open),
                result => return result,
            }
        }
        self.open(way).await?.send(request.clone()).first_answer().await
    }

    /// The connection that is kept, if it is not this dead one, or a new one.
    async fn shared(&self, way: &Way, dead: Option<&Rc<Connection>>) -> Result<Rc<Connection>, NetError> {
        let mut open = way.open.lock().await;
        match &*open {
            Some(kept) if dead.is_none_or(|dead| !Rc::ptr_eq(dead, kept)) => Ok(kept.clone()),
            _ => {
                *open = None;
                let new = Rc::new(self.open(way).await?);
                *open = Some(new.clone());
                Ok(new)
            }
        }
    }

    async fn open(&self, way: &Way) -> Result<Connection, NetError> {
        let provider = self.provider.clone();
        match &way.protocol {
            // The port is another one for each question.
            Protocol::Udp => {
                Ok(UdpClientStream::builder(self.address, provider).with_timeout(Some(self.patience)).exchange())
            }
            Protocol::Tcp => {
                TcpClientStream::exchange(self.address, None, self.patience, Some(AT_ONCE), provider).await
            }
            Protocol::Tls(how) => provider.new_connection(self.address.ip(), &how.0, &how.1)?.await,
        }
    }
}

/// Whether it is the connection that is at fault, and not the answer or its delay. That nobody serves a connection any more
/// the library tells by words, or as if it were busy.
fn is_of_connection(error: &NetError) -> bool {
    matches!(error, NetError::Io(_) | NetError::Busy | NetError::Message(_) | NetError::Msg(_))
}
