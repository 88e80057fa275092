//! Where the program connects, and by way of what: sockets, proxies, commands, source addresses.

#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "reach/commands.rs"]
mod commands;
#[path = "reach/failover.rs"]
mod failover;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/ports.rs"]
mod ports;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "sendmail/program.rs"]
mod program;
#[path = "reach/proxies.rs"]
mod proxies;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "sendmail/relay.rs"]
mod relay;
#[path = "reach/sockets.rs"]
mod sockets;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "sendmail/wire.rs"]
mod wire;

const MESSAGE: &str = "Subject: hello\n\nbody\n";
const TO: &[&str] = &["bob@example.net"];
