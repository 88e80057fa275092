//! Mail straight to the exchangers of the recipients' domains, and to the servers that a domain names: routes, with a DNS
//! server and mail servers of the tests' own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/certificates.rs"]
mod certificates;
#[path = "mx/dane.rs"]
mod dane;
#[path = "mx/dkim.rs"]
mod dkim;
#[path = "mx/domains.rs"]
mod domains;
#[path = "mx/host.rs"]
mod host;
#[path = "mx/hosts.rs"]
mod hosts;
#[path = "mx/late.rs"]
mod late;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/ports.rs"]
mod ports;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "sendmail/program.rs"]
mod program;
#[path = "mx/reports.rs"]
mod reports;
#[path = "mx/services.rs"]
mod services;
#[path = "mx/side.rs"]
mod side;
#[path = "mx/sts.rs"]
mod sts;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/dns.rs"]
mod stub;
#[path = "mx/tls.rs"]
mod tls;
#[path = "mx/tlsrpt.rs"]
mod tlsrpt;
#[path = "sendmail/verifier.rs"]
mod verifier;
#[path = "mx/web.rs"]
mod web;

use std::net::SocketAddr;

use program::{Ended, Program, run};
use stub::Stub;

/// The program with exchangers on this port, and this resolver.
fn direct(dns: &Stub, port: u16, settings: &str) -> Program {
    Program::with(&format!("server = \"mx:\"\ndns = \"{}\"\nmx-port = {port}\n{settings}", dns.address))
}

/// A setting for a resolver that says nothing. One that does is waited for as long as usual: the machine may be busy.
const SHORT_WAIT: &str = "dns-timeout = \"3s\"\n";

/// `posthaste send` to these.
fn send(program: &Program, flags: &[&str], to: &[&str]) -> Ended {
    let to = to.join(", ");
    let fixed = ["send", "--from", "alice@sender.test", "--subject", "hi", "--body", "text", "--to", &to];
    run(&mut program.posthaste(&[&fixed[..], flags].concat()), b"")
}

fn at(address: SocketAddr) -> String {
    address.to_string()
}
