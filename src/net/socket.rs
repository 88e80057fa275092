//! Opening a connection: to a socket of this machine, or by way of names, addresses and the race between them
//! (RFC 8305).

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::command::Piped;
use super::notice::Peer;
use super::proxy;
use super::transport::Transport;
use crate::config::account::{Endpoint, Host, Proxy, Reach, Via};
use crate::smtp::outcome::Cause;
use crate::system::words;

/// The next address is tried when the last one has not answered for so long (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// Most addresses of one host that are tried: a name with a thousand addresses must not hold us.
const MOST_ADDRESSES: usize = 16;

/// An open connection, and its two ends.
#[derive(Debug)]
pub struct Connection {
    /// The connection.
    pub stream: Transport,
    /// The other end.
    pub peer: Peer,
    /// Ours, where it is an address.
    pub local: Option<SocketAddr>,
}

/// Opens a connection within the limit: to a socket, or to the first address of the host that answers.
///
/// # Errors
/// [`Cause::NoSuchHost`] when the name does not exist, [`Cause::Unreachable`] or [`Cause::TimedOut`] when nobody
/// answers, each in words.
pub async fn connect(endpoint: &Endpoint, reach: &Reach, limit: Duration) -> Result<Connection, Cause> {
    let deadline = Instant::now() + limit;
    match (endpoint, &reach.via) {
        (Endpoint::Unix(path), _) => connect_unix(path, deadline).await,
        (Endpoint::Tcp { host, port }, Via::Directly) => {
            let (stream, peer, local) = connect_tcp(host, *port, reach, deadline).await?;
            Ok(Connection { stream: Transport::Tcp(stream), peer: Peer::Address(peer), local: Some(local) })
        }
        (Endpoint::Tcp { host, port }, Via::Proxy(proxy)) => connect_by(proxy, host, *port, reach, deadline).await,
        (Endpoint::Tcp { host, port }, Via::Command(line)) => match Piped::start(line, host, *port) {
            Ok(piped) => {
                Ok(Connection { stream: Transport::Command(Box::new(piped)), peer: Peer::Command, local: None })
            }
            Err(error) => Err(Cause::Unreachable(format!("proxy-command cannot be run: {}", words(&error)))),
        },
    }
}

/// Opens a connection within the limit to the first of these addresses that answers, in this order, families in turn.
/// Where something stands between, it is told the name of the host instead.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to(
    addresses: &[IpAddr],
    endpoint: &Endpoint,
    reach: &Reach,
    limit: Duration,
) -> Result<Connection, Cause> {
    let deadline = Instant::now() + limit;
    match (endpoint, &reach.via) {
        (Endpoint::Tcp { port, .. }, Via::Directly) if !addresses.is_empty() => {
            let addresses = addresses.iter().map(|address| SocketAddr::new(*address, *port)).collect();
            let (stream, peer, local) = connect_tcp_to(interleave(addresses), reach, deadline).await?;
            Ok(Connection { stream: Transport::Tcp(stream), peer: Peer::Address(peer), local: Some(local) })
        }
        _ => connect(endpoint, reach, limit).await,
    }
}

async fn connect_by(
    proxy: &Proxy,
    host: &Host,
    port: u16,
    reach: &Reach,
    deadline: Instant,
) -> Result<Connection, Cause> {
    let trouble = |why: &str| Cause::Unreachable(format!("the proxy {proxy}: {why}"));
    let connected = connect_tcp(&proxy.host, proxy.port, reach, deadline).await;
    let (mut stream, peer, local) = connected.map_err(|cause| match cause {
        Cause::Unreachable(why) => trouble(&why),
        Cause::NoSuchHost(why) => Cause::NoSuchHost(format!("the proxy {proxy}: {why}")),
        Cause::TimedOut => trouble("no answer in time"),
        other => other,
    })?;
    match timeout_at(deadline, proxy::ask(&mut stream, proxy, host, port)).await {
        Ok(Ok(())) => Ok(Connection { stream: Transport::Tcp(stream), peer: Peer::Proxy(peer), local: Some(local) }),
        Ok(Err(why)) => Err(trouble(&why)),
        Err(_) => Err(trouble("no answer in time")),
    }
}

async fn connect_unix(path: &Path, deadline: Instant) -> Result<Connection, Cause> {
    match timeout_at(deadline, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => {
            Ok(Connection { stream: Transport::Unix(stream), peer: Peer::Socket(path.to_owned()), local: None })
        }
        Ok(Err(error)) => Err(Cause::Unreachable(words(&error))),
        Err(_) => Err(Cause::TimedOut),
    }
}

/// A connection and its two ends, the other one first.
async fn connect_tcp(
    host: &Host,
    port: u16,
    reach: &Reach,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr, SocketAddr), Cause> {
    connect_tcp_to(addresses(host, port, deadline).await?, reach, deadline).await
}

async fn connect_tcp_to(
    mut addresses: Vec<SocketAddr>,
    reach: &Reach,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr, SocketAddr), Cause> {
    addresses.retain(|address| reach.allows(address.ip()));
    addresses.truncate(MOST_ADDRESSES);
    if addresses.is_empty() {
        return Err(Cause::Unreachable("it has no address that the keys ip and source-address allow".to_owned()));
    }
    let (peer, stream) = race(addresses, deadline, |address| connect_from(reach.source(address.ip()), address)).await?;
    let ready = || {
        // One write is one flight: without this, Nagle and delayed acknowledgements cost 40 ms each.
        stream.set_nodelay(true)?;
        stream.local_addr()
    };
    match ready() {
        Ok(local) => Ok((stream, peer, local)),
        Err(error) => Err(Cause::Unreachable(words(&error))),
    }
}

async fn connect_from(source: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket
        .bind(SocketAddr::new(source, 0))
        .map_err(|error| io::Error::new(error.kind(), format!("source-address {source}: {}", words(&error))))?;
    socket.connect(address).await
}

async fn addresses(host: &Host, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Cause> {
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        // These are this machine by definition (RFC 6761 section 6.3); no resolver needs to be asked.
        Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok(loopback.map(|address| SocketAddr::new(address, port)).to_vec());
        }
        Host::Name(name) => name,
    };
    // The system's resolver, so that the hosts file, mDNS and the rest of nsswitch.conf count.
    let question = (name.clone(), port);
    let lookup = aside(move || question.to_socket_addrs());
    match timeout_at(deadline, lookup).await.map(|answer| answer.and_then(|found| found)) {
        Ok(Ok(found)) => {
            let found = interleave(found.collect());
            if found.is_empty() { Err(Cause::NoSuchHost(format!("{name} has no address"))) } else { Ok(found) }
        }
        Ok(Err(error)) => Err(lookup_trouble(name, &error)),
        Err(_) => Err(Cause::Unreachable(format!("the look-up of {name} was not answered in time"))),
    }
}

/// Does work that blocks, on a thread of its own. tokio's own threads panic where the system has none to give.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    // Nobody waits any more when this fails.
    thread::Builder::new().spawn(move || tell.send(work()).is_ok())?;
    told.await.map_err(|_| io::Error::other("its thread has ended"))
}

/// getaddrinfo's reasons come as text only: "Name or service not known" is certain, "Temporary failure in name
/// resolution" is not. What is neither is taken for temporary.
fn lookup_trouble(name: &str, error: &io::Error) -> Cause {
    let text = error.to_string();
    let reason = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let certain = ["not known", "No address associated", "nodename nor servname"].iter().any(|s| reason.contains(s));
    let words = format!("the name {name} cannot be looked up: {reason}");
    if certain { Cause::NoSuchHost(words) } else { Cause::Unreachable(words) }
}

/// Families take turns, beginning with that of the resolver's first choice (RFC 8305 section 4), so that a dead
/// family cannot use up the attempts.
fn interleave(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = found.first() else { return found };
    let prefers_v6 = first.is_ipv6();
    let (first_family, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| a.is_ipv6() == prefers_v6);
    let mut mixed = Vec::new();
    let (mut a, mut b) = (first_family.into_iter(), other.into_iter());
    loop {
        match (a.next(), b.next()) {
            (None, None) => break,
            (x, y) => mixed.extend(x.into_iter().chain(y)),
        }
    }
    mixed.dedup();
    mixed
}

/// Tries the addresses one after the other, each with a head start over the next, and takes the first that answers.
async fn race<S, F: Future<Output = io::Result<S>>>(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, S), Cause> {
    let mut waiting = addresses.into_iter();
    // Not tasks of their own: each would cost its start and the waking of this one.
    let mut running: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut refusals: Vec<String> = Vec::new();
    let mut next_start = Instant::now();
    loop {
        if running.is_empty() || Instant::now() >= next_start {
            match waiting.next() {
                Some(address) => {
                    running.push((address, Box::pin(connect(address))));
                    next_start = Instant::now() + HEAD_START;
                }
                None if running.is_empty() => return Err(Cause::Unreachable(join_refusals(&refusals))),
                None => next_start = deadline,
            }
        }
        tokio::select! {
            biased;
            (address, done) = first_done(&mut running) => match done {
                Ok(stream) => return Ok((address, stream)),
                Err(error) => {
                    refusals.push(format!("{address}: {}", words(&error)));
                    next_start = Instant::now();
                }
            },
            () = sleep_until(next_start.min(deadline)) => {
                if Instant::now() >= deadline {
                    return Err(if refusals.is_empty() {
                        Cause::TimedOut
                    } else {
                        Cause::Unreachable(format!("{}; no answer from the others in time", join_refusals(&refusals)))
                    });
                }
            }
        }
    }
}

/// Waits for one of the attempts, and takes it out. Among none it waits for ever.
async fn first_done<S, F: Future<Output = io::Result<S>>>(
    running: &mut Vec<(SocketAddr, Pin<Box<F>>)>,
) -> (SocketAddr, io::Result<S>) {
    poll_fn(|cx| {
        for at in 0..running.len() {
            let (address, attempt) = &mut running[at];
            if let Poll::Ready(done) = attempt.as_mut().poll(cx) {
                let address = *address;
                running.swap_remove(at);
                return Poll::Ready((address, done));
            }
        }
        Poll::Pending
    })
    .await
}

fn join_refusals(refusals: &[String]) -> String {
    refusals.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// P-113
    #[test]
    fn families_take_turns() {
        let found = ["[2001:db8::1]:25", "[2001:db8::2]:25", "[2001:db8::3]:25", "192.0.2.1:25"].map(at).to_vec();
        let mixed = ["[2001:db8::1]:25", "192.0.2.1:25", "[2001:db8::2]:25", "[2001:db8::3]:25"].map(at).to_vec();
        assert_eq!(interleave(found), mixed);
    }

    /// P-112: a refused address does not hold up the next, a silent one does for a quarter of a second only.
    #[tokio::test(start_paused = true)]
    async fn the_first_address_that_answers_wins() {
        let tried = Mutex::new(Vec::new());
        let begin = Instant::now();
        let won = race(
            vec![at("192.0.2.1:25"), at("192.0.2.2:25"), at("192.0.2.3:25")],
            begin + Duration::from_secs(30),
            |a| {
                tried.lock().unwrap().push((a, begin.elapsed().as_millis()));
                async move {
                    match a.to_string().as_str() {
                        "192.0.2.1:25" => Err(io::ErrorKind::ConnectionRefused.into()),
                        "192.0.2.2:25" => std::future::pending().await,
                        _ => Ok(()),
                    }
                }
            },
        )
        .await;
        assert_eq!(won, Ok((at("192.0.2.3:25"), ())));
        let tried: Vec<u128> = tried.into_inner().unwrap().into_iter().map(|(_, when)| when).collect();
        assert_eq!(tried[..2], [0, 0]);
        assert!((250..300).contains(&tried[2]), "{tried:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_refusals_end_in_words() {
        let deadline = Instant::now() + Duration::from_secs(30);
        let refused = |_| async { Err::<(), _>(io::ErrorKind::ConnectionRefused.into()) };
        let failed = race(vec![at("192.0.2.1:25"), at("[::1]:25")], deadline, refused).await;
        assert_eq!(
            failed,
            Err(Cause::Unreachable("192.0.2.1:25: connection refused, [::1]:25: connection refused".into()))
        );
        let silent = |_| std::future::pending::<io::Result<()>>();
        assert_eq!(race(vec![at("192.0.2.1:25"), at("192.0.2.2:25")], deadline, silent).await, Err(Cause::TimedOut));
        assert!(Instant::now() >= deadline);
    }
}
