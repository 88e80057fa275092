//! SMTP from the other side: the pure session of a server, and the sink.
//!
//! [`session`] is octets in, actions out, as pure as the engine of [`crate::smtp`]: it serves the sink and any
//! other face that receives mail. With the feature `sink`, [`sink`] puts it on sockets with TLS, on one thread.

pub mod options;
mod scram;
pub mod session;
pub mod transaction;
mod wishes;

mod action;
mod answer;
#[cfg(feature = "sink")]
pub mod certificate;
mod command;
#[cfg(feature = "sink")]
mod connection;
mod data;
mod faults;
mod lines;
mod login;
#[cfg(feature = "sink")]
mod maildir;
#[cfg(feature = "sink")]
pub mod sink;
#[cfg(feature = "sink")]
pub mod store;
