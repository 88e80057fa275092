//! The SMTP engine. Pure: replies in, actions and outcomes out. No I/O, no clock, no threads, no configuration.

pub mod capabilities;
pub mod framing;
mod login;
mod opening;
pub mod outcome;
pub mod reply;
pub mod sasl;
pub mod session;
pub mod stage;
mod transaction;
