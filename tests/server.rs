//! The server's side: the pure session by tables, and the sink over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(feature = "sink")]
#[path = "server/client.rs"]
mod client;
#[path = "server/hostile.rs"]
mod hostile;
#[path = "server/peer.rs"]
mod peer;
#[path = "server/session.rs"]
mod session;
#[cfg(feature = "sink")]
#[path = "server/sink.rs"]
mod sink;
