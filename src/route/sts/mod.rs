//! MTA-STS (RFC 8461): what a domain asks of TLS with its mail exchangers, by a text in DNS and a file on a web server.

pub mod file;
pub mod record;
