//! The connections to one name server: UDP, and TCP for what is too long for it; or TLS alone.
//!
//! The library's own pool of servers is not used. It weighs them by how quick they were, in floating point, for which
//! libm would be loaded at each start of the program, by those too that look nothing up: 330 KB and nine system calls.

use std::cell::RefCell;
use std::net::IpAddr;

use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle as _, FirstAnswer as _};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse};
use hickory_resolver::proto::rr::DNSClass;
use hickory_resolver::{ConnectionProvider as _, PoolContext};

/// How one server is asked.
pub(super) struct Link {
    address: IpAddr,
    /// The first that is tried, and the one for an answer that was cut short.
    ways: Vec<Way>,
    context: PoolContext,
    /// With it end the connections.
    provider: TokioRuntimeProvider,
}

type Connection = DnsExchange<TokioRuntimeProvider>;

struct Way {
    config: ConnectionConfig,
    /// Made at the first question, and kept until something goes wrong.
    open: RefCell<Option<Connection>>,
}

impl Link {
    /// A server at an address. Nothing is opened.
    pub(super) fn new(address: IpAddr, ways: Vec<ConnectionConfig>, context: PoolContext) -> Self {
        let ways = ways.into_iter().map(|config| Way { config, open: RefCell::default() }).collect();
        Link { address, ways, context, provider: TokioRuntimeProvider::default() }
    }

    /// Asks. Whoever asks limits the time.
    ///
    /// # Errors
    /// Also an answer without records is one.
    pub(super) async fn ask(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        for way in &self.ways {
            let response = DnsError::from_response(self.by(way, request).await?)?;
            if let Some(foreign) = response.all_sections().find(|record| record.dns_class != DNSClass::IN) {
                return Err(NetError::ForeignClassRecord {
                    record_name: foreign.name.clone(),
                    record_class: foreign.dns_class,
                    record_type: foreign.record_type(),
                });
            }
            if !response.truncation {
                return Ok(response);
            }
        }
        Err(NetError::Truncated)
    }

    async fn by(&self, way: &Way, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let kept = way.open.borrow().clone();
        if let Some(open) = kept {
            match way.through(&open, request).await {
                // A server closes what is idle (RFC 7766 section 6.2.3); a new connection shows whether it is well.
                Err(error) if error.is_connection_closed() => {}
                result => return result,
            }
        }
        let open = self.provider.new_connection(self.address, &way.config, &self.context)?.await?;
        way.open.replace(Some(open.clone()));
        way.through(&open, request).await
    }
}

impl Way {
    async fn through(&self, open: &Connection, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let result = open.send(request.clone()).first_answer().await;
        if result.is_err() {
            self.open.replace(None);
        }
        result
    }
}
