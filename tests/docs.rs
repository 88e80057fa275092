//! What manual pages, help, completions and README say, held against the program.
#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "docs/command_line.rs"]
mod command_line;
#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/exit_codes.rs"]
mod exit_codes;
#[path = "docs/page.rs"]
mod page;
#[path = "docs/sendmail.rs"]
mod sendmail;

use std::ffi::OsString;

use posthaste::cli::{Invocation, parse};

/// What the program prints for these arguments, the command's name among them.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    match parse(arguments.iter().map(OsString::from).collect()) {
        Ok((_, Invocation::Text(text))) => text,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

/// A file of this repository.
#[track_caller]
fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
