//! Names in header fields that we write.

use crate::address::{Address, is_atext};
use mail_builder::headers::Header;
use mail_builder::headers::address::Address as Written;

/// The value of an address field with one mailbox, without a line end: `Name <address>`, or the bare address when
/// there is no name. The name is quoted when it is not all atoms, and made encoded words (RFC 2047) when it is not
/// ASCII; controls are taken out of it.
pub(crate) fn mailbox(name: Option<&str>, address: &Address, column: usize) -> Vec<u8> {
    let name: String = name.unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME_LIMIT).collect();
    if name.is_empty() {
        return address.as_str().as_bytes().to_vec();
    }
    if !name.is_ascii() {
        let mut value = Vec::new();
        Written::new_address(Some(name), address.as_str()).write_header(&mut value, column);
        value.truncate(value.trim_ascii_end().len());
        return value;
    }
    let is_atoms = name.bytes().all(|octet| octet == b' ' || is_atext(&octet));
    let phrase = if is_atoms { name } else { quoted(&name) };
    format!("{phrase} <{address}>").into_bytes()
}

/// A quoted string.
pub(crate) fn quoted(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Nobody's name has more characters, and a line must not have more than 998 octets.
const NAME_LIMIT: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases 34, 38 and 39 of the sendmail face.
    #[test]
    fn names_are_quoted_or_encoded_where_they_must_be() {
        let address = Address::parse("a@x.test").unwrap();
        for (name, value) in [
            ("", "a@x.test"),
            (" \r\n", "a@x.test"),
            ("Env Name", "Env Name <a@x.test>"),
            ("Full, Name", "\"Full, Name\" <a@x.test>"),
            ("J. Q.", "\"J. Q.\" <a@x.test>"),
            ("a\"b\\c", "\"a\\\"b\\\\c\" <a@x.test>"),
            ("a\r\nBcc: b@x", "\"a Bcc: b@x\" <a@x.test>"),
            ("Jös", "=?utf-8?B?SsO2cw==?= <a@x.test>"),
        ] {
            assert_eq!(String::from_utf8(mailbox(Some(name), &address, 6)).unwrap(), value);
        }
        assert_eq!(mailbox(None, &address, 6), b"a@x.test");
    }

    #[test]
    fn long_names_keep_lines_short() {
        let address = Address::parse("a@x.test").unwrap();
        for name in ["n".repeat(5000), "ö".repeat(5000), "\"".repeat(5000)] {
            let value = mailbox(Some(&name), &address, 6);
            assert!(value.split(|octet| *octet == b'\n').all(|line| line.len() < 600), "{}", value.len());
        }
    }
}
