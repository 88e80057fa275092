//! The network: sockets, TLS, deadlines, and the loop that serves the engine.
//!
//! Nothing above this module opens a connection, and nothing below it knows of one.

mod binding;
mod certificate;
mod command;
mod credential;
mod dane;
pub mod dkim;
pub mod drive;
mod fault;
pub mod https;
pub mod notice;
mod proxy;
mod reencode;
pub mod socket;
pub mod stop;
mod stream;
pub mod tls;
mod transport;
mod verifier;

pub use notice::Notice;
pub use transport::Transport;
