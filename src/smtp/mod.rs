//! The SMTP engine. Pure: replies in, actions and outcomes out. No I/O, no clock, no threads, no configuration.

mod action;
mod ahead;
pub mod capabilities;
mod chunks;
mod core;
mod data;
mod early;
pub mod framing;
mod lessons;
mod limits;
mod lmtp;
mod login;
mod mask;
pub mod memory;
mod opening;
pub mod outcome;
mod parameters;
pub mod question;
mod reencode;
pub mod reply;
pub mod sasl;
mod series;
pub mod session;
mod settings;
pub mod stage;
mod transaction;
mod wishes;
