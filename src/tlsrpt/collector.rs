//! Events for a collector on this machine, which makes the reports: datagrams to its Unix socket, as libtlsrpt sends them
//! for Postfix (<https://github.com/sys4/tlsrpt-reporter>).
//!
//! ```text
//! {"d":"example.org","pr":"v=TLSRPTv1; rua=mailto:…","policies":[{"policy-type":1,"policy-domain":"mx.example.org",
//!   "policy-string":["3 1 1 …"],"failure-details":[{"c":205,"s":"192.0.2.1","n":"mx.example.org","h":"mx.example.org",
//!   "r":"192.0.2.2","f":"…"}],"t":1,"f":1}]}
//! ```

use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::net::{SendFlags, SocketAddrUnix, sendto};
use serde::Serialize;

use super::{Event, FailureType, PolicyType, Record};

#[derive(Serialize)]
struct Datagram<'a> {
    d: &'a str,
    pr: &'a str,
    policies: [Policy<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Policy<'a> {
    policy_type: u8,
    policy_domain: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    policy_string: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mx_host: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    failure_details: &'a [Details<'a>],
    /// How many failures there are.
    t: usize,
    /// 0 is a success.
    f: u8,
}

#[derive(Serialize)]
struct Details<'a> {
    c: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    h: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<IpAddr>,
    /// The reason.
    f: &'a str,
}

/// What is sent for an event of a domain with this record.
pub fn datagram(event: &Event, record: &Record) -> String {
    let details = event.failure.as_ref().map(|failure| Details {
        c: number(failure.result_type),
        s: event.session.sending_mta_ip,
        n: event.session.receiving_mx_hostname.as_deref(),
        h: event.session.receiving_mx_helo.as_deref(),
        r: event.session.receiving_ip,
        f: &failure.reason,
    });
    let details = details.as_slice();
    let policy = Policy {
        policy_type: match event.policy_type {
            PolicyType::Tlsa => 1,
            PolicyType::Sts => 2,
            PolicyType::NoPolicyFound => 9,
        },
        policy_domain: &event.policy_domain,
        policy_string: &event.policy_string,
        mx_host: &event.mx_host,
        failure_details: details,
        t: details.len(),
        f: u8::from(!details.is_empty()),
    };
    // A value of strings and numbers with string keys cannot fail to become JSON.
    serde_json::to_string(&Datagram { d: &event.domain, pr: &record.text, policies: [policy] }).unwrap_or_default()
}

fn number(result_type: FailureType) -> u16 {
    FailureType::ALL.iter().find(|(known, _)| *known == result_type).map_or(0, |(_, number)| *number)
}

/// Sends it, and waits for nobody: a collector that has stopped must not hold up mail.
///
/// # Errors
/// Why it could not be sent.
pub fn send(path: &Path, datagram: &str) -> std::io::Result<()> {
    let address = SocketAddrUnix::new(path)?;
    let socket = UnixDatagram::unbound()?;
    sendto(&socket, datagram.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL, &address)?;
    Ok(())
}
