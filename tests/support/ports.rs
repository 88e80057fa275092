//! Ports of this machine for servers, and ports without one.
//!
//! Who listens at a port to see whether it is free, or has the system choose one and closes it again, is left with a listener
//! for longer than they think: a program that another test is just starting has a copy of it until its `exec`. And a port of
//! the system's choice, once it is closed, is the next one's for whom the system chooses. So nothing here listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A port of loopback that is nobody else's as long as this lives, and that refuses whoever comes.
pub struct Closed {
    pub address: SocketAddr,
    _socket: OwnedFd,
}

impl Closed {
    pub fn tcp() -> Closed {
        let socket = bound((Ipv4Addr::LOCALHOST, 0).into(), Beside::Nobody).unwrap();
        Closed { address: getsockname(&socket).unwrap().try_into().unwrap(), _socket: socket }
    }

    /// It is connected with itself, so that what comes from others finds nobody.
    pub fn udp() -> Closed {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        socket.connect(address).unwrap();
        Closed { address, _socket: socket.into() }
    }
}

/// A port that is free on this machine's loopback addresses, and that neither another test nor the system gives to somebody
/// meanwhile: it is below those that the system chooses from.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = process::id().wrapping_mul(211).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (number % 20_000) as u16;
        if bound((Ipv4Addr::UNSPECIFIED, port).into(), Beside::Listeners).is_ok() {
            return port;
        }
    }
}

/// Whom a socket leaves its address to, which it cannot have where somebody listens.
#[derive(PartialEq)]
enum Beside {
    Nobody,
    /// Whoever listens there later, by SO_REUSEADDR, as all listeners of the standard library do.
    Listeners,
}

/// A socket that has this address and does not listen.
fn bound(address: SocketAddr, beside: Beside) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, beside == Beside::Listeners)?;
    bind(&socket, &address)?;
    Ok(socket)
}
