//! Posthaste submits mail: a message arrives on standard input or from arguments, and ends accepted by a
//! server, or refused with the reason in words.
//!
//! ```text
//! argv, stdin → Invocation → Account → Message + Envelope → Routes → Stream ⇄ Session → Outcomes → report → exit
//! ```
//!
//! Values move to the right only; [`run`] is that line as code. The SMTP engine ([`smtp`]) is pure: replies go
//! in, actions and outcomes come out. It opens no connection, reads no file and knows no clock; [`net`] does
//! that for it.
//!
//! The library exists so that tests, benches and fuzz targets reach each piece without a process. Its interface
//! is documented, but not promised to be stable before 1.0.

pub mod address;
pub mod aliases;
pub mod check;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod dns;
pub mod envelope;
pub mod failure;
pub mod hints;
pub mod identity;
pub mod log;
pub mod message;
pub mod net;
pub mod report;
pub mod route;
pub mod run;
pub mod server;
pub mod smtp;
pub mod state;
pub mod system;
pub mod tlsrpt;
