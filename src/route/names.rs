//! Whose names and addresses these are: this machine's, or somebody else's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::config::account::Account;
use crate::system;

/// What this machine calls itself.
pub(super) struct OwnNames(Vec<String>);

impl OwnNames {
    pub(super) fn of(account: &Account) -> Self {
        OwnNames(account.hostname.clone().into_iter().chain(system::full_host_name()).collect())
    }

    /// Whether a host is this machine.
    pub(super) fn has(&self, host: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// Whether an address is this machine's: a socket can have it, and the way to it begins at it. The first is not enough
/// where `net.ipv4.ip_nonlocal_bind` lets sockets have any address, as on machines that take over one another's.
pub(super) fn is_own_address(address: IpAddr) -> bool {
    // `::ffff:127.0.0.1` leads where 127.0.0.1 does (RFC 4291 section 2.5.5.2).
    let address = address.to_canonical();
    if address.is_unspecified() {
        return true;
    }
    let is_bindable = UdpSocket::bind((address, 0)).is_ok();
    is_bindable && (address.is_loopback() || source_towards(address).is_ok_and(|source| source == address))
}

/// The address that this machine would send from. Nothing is sent.
fn source_towards(address: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // RFC 863: whatever port it is, it must not be 0.
    socket.connect((address, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_told_from_others() {
        for (address, is_own) in [
            ("127.0.0.1", true),
            ("127.0.0.2", true),
            ("0.0.0.0", true),
            ("192.0.2.77", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::77", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", true),
            ("::ffff:0.0.0.0", true),
            ("::ffff:192.0.2.77", false),
        ] {
            assert_eq!(is_own_address(address.parse().unwrap()), is_own, "{address}");
        }
    }

    /// The same on a machine that may have any address, as keepalived wants it.
    #[test]
    fn own_addresses_are_told_where_any_can_be_bound() {
        let test = std::env::current_exe().unwrap();
        let script = "ip link set lo up && echo 1 | tee /proc/sys/net/ipv[46]/ip_nonlocal_bind >&2 || exit 99; \
                      exec \"$0\" --exact route::names::tests::own_addresses_are_told_from_others";
        let done = std::process::Command::new("unshare").args(["-rn", "sh", "-c", script]).arg(test).output();
        // Without namespaces here it shows nothing, and says so to tests/run.
        match done {
            Ok(done) if done.status.code() != Some(99) && !done.stdout.is_empty() => {
                let told = String::from_utf8_lossy(&done.stdout);
                assert!(done.status.success() && told.contains("1 passed"), "{told}");
            }
            _ => left_out("own addresses where any can be bound: no namespaces here"),
        }
    }

    fn left_out(what: &str) {
        use std::io::Write as _;
        if let Some(path) = std::env::var_os("TESTS_TALLY") {
            let mut tally = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            writeln!(tally, "left out: {what}").unwrap();
        }
    }
}
