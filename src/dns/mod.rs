//! What the domain name system knows: mail exchangers, services, their addresses, and what they say of themselves.
//!
//! The only user of hickory-resolver. Nothing is read or opened before the first look-up, so that a submission to a
//! smarthost does not pay for it: that one's name goes through the system ([`crate::net::socket`]).
//!
//! DNSSEC is not validated here. An answer is [`Security::Secure`] where a resolver that the account trusts says so.

mod answer;
mod ask;
mod error;
mod link;
mod servers;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::answer::{Answer, Bare, Found, Mx, Security, Srv, Target, Tlsa};
pub use self::error::{LookupError, Reason};

use self::answer::Raw;
use self::servers::Servers;
use crate::config::account::{Dns, Family, Tls};

/// Looks names up, and remembers the answers. It belongs to the runtime on which it is used first.
pub struct Resolver<'a> {
    dns: &'a Dns,
    tls: &'a Tls,
    /// Nothing before the first look-up.
    state: OnceCell<State>,
}

struct State {
    servers: Result<Servers, String>,
    known: RefCell<Known>,
    turns: Semaphore,
}

/// Questions that were asked, and those that are being asked, so that whoever has the same waits for the same answer.
type Known = HashMap<(String, Record), Rc<tokio::sync::OnceCell<Heard>>>;

/// What came back.
struct Heard {
    /// An answer counts until then.
    until: Instant,
    /// A failure is of those alone who were waiting.
    raw: Result<Rc<Raw>, LookupError>,
}

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Mail exchangers (RFC 5321 section 5.1).
    Mx,
    /// Servers of a service (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Keys and certificates of a service (RFC 6698).
    Tlsa,
    /// Texts.
    Txt,
}

impl Record {
    /// The name of the type.
    pub fn word(self) -> &'static str {
        match self {
            Record::Mx => "MX",
            Record::Srv => "SRV",
            Record::A => "A",
            Record::Aaaa => "AAAA",
            Record::Tlsa => "TLSA",
            Record::Txt => "TXT",
        }
    }
}

/// Answers are kept for their own time, and at least for so long: one message is sent by one picture of the world.
const LEAST: Duration = Duration::from_secs(60);
/// Nothing is believed longer than a day (RFC 8767 section 4 has a week).
const MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// Questions at the same time: each has a socket, or three where UDP is silent.
const AT_ONCE: usize = 100;
/// Answers that are kept. When there are more, all are forgotten.
const ENTRIES: usize = 10_000;

impl<'a> Resolver<'a> {
    /// A resolver as an account wants it, whose trust in authorities counts for DNS over TLS too. Nothing is read yet.
    pub fn new(dns: &'a Dns, tls: &'a Tls) -> Self {
        Resolver { dns, tls, state: OnceCell::new() }
    }

    /// The mail exchangers of a domain, as they stand in the answer. The name that the domain's aliases end at is in
    /// the answer, also where there is no exchanger.
    ///
    /// # Errors
    /// [`LookupError`] where nobody knows; that passes.
    pub async fn mx(&self, domain: &str) -> Result<Answer<Mx>, LookupError> {
        Ok(self.ask(domain, Record::Mx).await?.typed(answer::mx))
    }

    /// The servers of a service, `_submissions._tcp.example.org`.
    ///
    /// # Errors
    /// As [`Resolver::mx`].
    pub async fn srv(&self, service: &str) -> Result<Answer<Srv>, LookupError> {
        Ok(self.ask(service, Record::Srv).await?.typed(answer::srv))
    }

    /// The TLSA records of a service, `_25._tcp.mx.example.org`.
    ///
    /// # Errors
    /// As [`Resolver::mx`]. An error is not the same as no record (RFC 7672 section 2.1.2).
    pub async fn tlsa(&self, service: &str) -> Result<Answer<Tlsa>, LookupError> {
        Ok(self.ask(service, Record::Tlsa).await?.typed(answer::tlsa))
    }

    /// The texts of a name, each with its pieces joined.
    ///
    /// # Errors
    /// As [`Resolver::mx`].
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, LookupError> {
        Ok(self.ask(name, Record::Txt).await?.typed(answer::txt))
    }

    /// The addresses of a host, those of IPv6 first, both asked for at the same time. They are secure if all are. Where
    /// one of the look-ups fails and the other finds addresses, these are the answer.
    ///
    /// # Errors
    /// As [`Resolver::mx`].
    pub async fn addresses(&self, host: &str, family: Family) -> Result<Answer<IpAddr>, LookupError> {
        if let Some(here) = local(host) {
            return Ok(here);
        }
        if let Ok(servers) = &self.state().servers
            && let Some(found) = servers.in_hosts_file(host)
        {
            return Ok(found);
        }
        let six = async { self.ask(host, Record::Aaaa).await.map(|raw| raw.typed(answer::address)) };
        let four = async { self.ask(host, Record::A).await.map(|raw| raw.typed(answer::address)) };
        match family {
            Family::V6 => six.await,
            Family::V4 => four.await,
            Family::Any => {
                let (six, four) = tokio::join!(six, four);
                joined(six, four)
            }
        }
    }

    /// The servers that are asked, where the word of none of them on DNSSEC counts: no answer can be secure then.
    pub fn untrusted(&self) -> Option<String> {
        let servers = &self.state().servers.as_ref().ok()?.list;
        let labels: Vec<&str> = servers.iter().map(|server| server.label.as_str()).collect();
        servers.iter().all(|server| server.trust == Security::Insecure).then(|| labels.join(", "))
    }

    /// Asks, or remembers.
    async fn ask(&self, name: &str, record: Record) -> Result<Rc<Raw>, LookupError> {
        let state = self.state();
        let servers = state.servers.as_ref().map_err(|why| LookupError::unusable(name, record, why))?;
        let question = state.question((name.to_ascii_lowercase(), record));
        let heard = question.get_or_init(async || {
            // Its time begins when its turn comes. Nobody closes the semaphore.
            let _turn = state.turns.acquire().await;
            let raw = ask::follow(servers, name, record, self.dns.timeout).await.map(Rc::new);
            let ttl = raw.as_ref().map_or(Duration::ZERO, |raw| raw.ttl().clamp(LEAST, MOST));
            Heard { until: Instant::now() + ttl, raw }
        });
        heard.await.raw.clone()
    }

    fn state(&self) -> &State {
        self.state.get_or_init(|| {
            let servers = Servers::new(self.dns, self.tls);
            State { servers, known: RefCell::default(), turns: Semaphore::new(AT_ONCE) }
        })
    }
}

impl State {
    fn question(&self, key: (String, Record)) -> Rc<tokio::sync::OnceCell<Heard>> {
        let mut known = self.known.borrow_mut();
        if known.len() >= ENTRIES {
            known.clear();
        }
        let question = known.entry(key).or_default();
        if question.get().is_some_and(|heard| heard.until <= Instant::now()) {
            *question = Rc::default();
        }
        question.clone()
    }
}

/// These are this machine by definition (RFC 6761 section 6.3), and nobody is asked.
fn local(host: &str) -> Option<Answer<IpAddr>> {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (name == "localhost" || name.ends_with(".localhost")).then(|| {
        Answer::Found(Found {
            records: vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
            ttl: MOST,
            security: Security::Insecure,
            name,
        })
    })
}

fn joined(
    six: Result<Answer<IpAddr>, LookupError>,
    four: Result<Answer<IpAddr>, LookupError>,
) -> Result<Answer<IpAddr>, LookupError> {
    match (six, four) {
        (Ok(Answer::Found(mut six)), Ok(Answer::Found(four))) => {
            six.ttl = six.ttl.min(four.ttl);
            six.security = six.security.min(four.security);
            six.records.extend(four.records);
            Ok(Answer::Found(six))
        }
        (Ok(found @ Answer::Found(_)), _) | (_, Ok(found @ Answer::Found(_))) => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
        // A server that denies the name for one type and not for the other is wrong in the first.
        (Ok(none @ Answer::NoData(_)), _) | (_, Ok(none)) => Ok(none),
    }
}
