//! The program as its callers know it: the built binary, against a server in this process that records every octet.

#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "sendmail/aliases.rs"]
mod aliases;
#[path = "sendmail/bad_input.rs"]
mod bad_input;
#[path = "sendmail/batch.rs"]
mod batch;
#[path = "sendmail/cases.rs"]
mod cases;
#[path = "sendmail/dkim.rs"]
mod dkim;
#[path = "sendmail/duties.rs"]
mod duties;
#[path = "sendmail/exits.rs"]
mod exits;
#[path = "sendmail/hostile.rs"]
mod hostile;
#[path = "sendmail/identity.rs"]
mod identity;
#[path = "sendmail/memory.rs"]
mod memory;
#[path = "sendmail/others.rs"]
mod others;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/ports.rs"]
mod ports;
#[path = "sendmail/program.rs"]
mod program;
#[path = "sendmail/reencode.rs"]
mod reencode;
#[path = "sendmail/refused.rs"]
mod refused;
#[path = "sendmail/relay.rs"]
mod relay;
#[path = "support/secrets.rs"]
mod secrets;
#[path = "sendmail/send.rs"]
mod send;
#[path = "sendmail/signals.rs"]
mod signals;
#[path = "sendmail/sixty.rs"]
mod sixty;
#[path = "sendmail/starts.rs"]
mod starts;
#[path = "sendmail/stdio.rs"]
mod stdio;
#[path = "sendmail/streams.rs"]
mod streams;
#[path = "sendmail/strict.rs"]
mod strict;
#[path = "support/tally.rs"]
mod tally;
#[path = "sendmail/trials.rs"]
mod trials;
#[path = "sendmail/verifier.rs"]
mod verifier;
#[path = "sendmail/wire.rs"]
mod wire;

use tally::tally;
