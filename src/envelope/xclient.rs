//! What a server shall take for its client (XCLIENT, as Postfix's XCLIENT_README has it).

use std::net::IpAddr;
use std::str::FromStr;

use super::dsn::{NoSuchWish, xtext};

/// An attribute of a client, for a server that believes us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAttribute {
    name: &'static str,
    /// As it goes over the wire, before it is made xtext of.
    value: String,
}

/// All that there are.
const NAMES: [&str; 9] = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", "REVERSE_NAME"];

/// A name of a host has no more octets (RFC 1035 section 2.3.4), and no other value needs more.
const VALUE_LIMIT: usize = 255;

/// What stands for a value that nobody knows, or knows for now.
const UNKNOWN: [&str; 2] = ["[UNAVAILABLE]", "[TEMPUNAVAIL]"];

impl ClientAttribute {
    /// The name, in upper case.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What stands in the command: `ADDR=IPV6:2001:db8::1`, the value in xtext.
    pub fn argument(&self) -> String {
        format!("{}={}", self.name, xtext(&self.value))
    }
}

impl FromStr for ClientAttribute {
    type Err = NoSuchWish;

    /// Reads `NAME=value`, the name in any case. An address needs no mark of its family.
    fn from_str(text: &str) -> Result<Self, NoSuchWish> {
        const WISH: NoSuchWish = NoSuchWish(
            "it is NAME=VALUE, with one of NAME, ADDR, PORT, PROTO, HELO, LOGIN, DESTADDR, DESTPORT and REVERSE_NAME",
        );
        let (name, value) = text.split_once('=').ok_or(WISH)?;
        let name = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name)).ok_or(WISH)?;
        if value.is_empty() || value.len() > VALUE_LIMIT || value.chars().any(char::is_control) {
            return Err(NoSuchWish("its value has 1 to 255 octets and no control character"));
        }
        if UNKNOWN.contains(&value) {
            return Ok(ClientAttribute { name, value: value.to_owned() });
        }
        let value = match name {
            "ADDR" | "DESTADDR" => match value.parse() {
                Ok(IpAddr::V4(_)) => value.to_owned(),
                Ok(IpAddr::V6(_)) => format!("IPV6:{value}"),
                Err(_) => return Err(NoSuchWish("ADDR and DESTADDR are an IPv4 or IPv6 address")),
            },
            "PORT" | "DESTPORT" if value.parse::<u16>().is_err() => {
                return Err(NoSuchWish("PORT and DESTPORT are a number to 65535"));
            }
            "PROTO" => match value.to_ascii_uppercase() {
                word if word == "SMTP" || word == "ESMTP" => word,
                _ => return Err(NoSuchWish("PROTO is SMTP or ESMTP")),
            },
            _ => value.to_owned(),
        };
        Ok(ClientAttribute { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_go_out_in_xtext() {
        for (given, argument) in [
            ("NAME=spike.example", "NAME=spike.example"),
            ("helo=a b+c=d", "HELO=a+20b+2Bc+3Dd"),
            ("addr=192.0.2.7", "ADDR=192.0.2.7"),
            ("ADDR=2001:db8::1", "ADDR=IPV6:2001:db8::1"),
            ("ADDR=[UNAVAILABLE]", "ADDR=[UNAVAILABLE]"),
            ("DESTPORT=25", "DESTPORT=25"),
            ("proto=esmtp", "PROTO=ESMTP"),
            ("LOGIN=j\u{f8}rn", "LOGIN=j+C3+B8rn"),
            ("REVERSE_NAME=[TEMPUNAVAIL]", "REVERSE_NAME=[TEMPUNAVAIL]"),
        ] {
            assert_eq!(
                given.parse::<ClientAttribute>().map(|read| read.argument()).as_deref(),
                Ok(argument),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        let long = format!("NAME={}", "x".repeat(256));
        for bad in
            ["", "NAME", "NAME=", "NAME=a\r\nQUIT", "COLOUR=red", "ADDR=mail", "PORT=65536", "PROTO=LMTP", &long, "=x"]
        {
            assert!(bad.parse::<ClientAttribute>().is_err(), "{bad:?}");
        }
    }
}
