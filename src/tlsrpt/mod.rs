//! Reports on TLS for the owners of recipients' domains (RFC 8460): what became of TLS with their mail exchangers.
//!
//! An [`Event`] is made for each session with an exchanger, and kept in a file of the day ([`files`]) or given to a
//! collector ([`collector`]). A [`Report`] sums up the events of a day for one domain, and [`mail`] makes a message of
//! it for those whom the domain's [`Record`] names. Nothing here opens a connection to another machine.

pub mod collector;
mod day;
mod event;
mod failure;
pub mod files;
pub mod mail;
mod record;
mod report;

pub use self::day::Day;
pub use self::event::{Ends, Event, Failure, PolicyType, Seen};
pub use self::failure::FailureType;
pub use self::record::{Destination, Record};
pub use self::report::{Report, Reporter};
