//! Whose names and addresses these are: this machine's, or somebody else's.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::config::account::Account;
use crate::system;

/// Whether a host is this machine, by the name that it gives itself.
pub(super) fn is_own_name(account: &Account, host: &str) -> bool {
    let own = |name: &str| name.eq_ignore_ascii_case(host);
    account.hostname.as_deref().is_some_and(own) || system::full_host_name().as_deref().is_some_and(own)
}

/// Whether an address is this machine's: only then can a socket have it.
pub(super) fn is_own_address(address: IpAddr) -> bool {
    address.is_unspecified() || UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}
