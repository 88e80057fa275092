//! The configuration: files and environment into an account, and what is said when that cannot be.

#![allow(clippy::unwrap_used)] // clippy does not take helpers beside tests for test code

#[path = "config/accounts.rs"]
mod accounts;
#[path = "config/binary.rs"]
mod binary;
#[path = "config/errors.rs"]
mod errors;
#[path = "config/keys.rs"]
mod keys;
#[path = "config/place.rs"]
mod place;
#[path = "config/secrets.rs"]
mod secrets;
