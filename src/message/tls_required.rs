//! What a message says of TLS on its way (RFC 8689 section 3).

use super::header::fields;

/// Whether a header has the field `TLS-Required: No`, once and with this value alone: the sender would rather have the
/// message delivered than kept back for want of TLS. Any other field of this name says nothing.
pub fn waives(header: &[u8]) -> bool {
    let fields = fields(header);
    let mut own = fields.iter().filter(|field| field.is(header, "TLS-Required"));
    match (own.next(), own.next()) {
        (Some(field), None) => {
            header.get(field.value.clone()).is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"No"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-298
    #[test]
    fn one_field_with_its_only_value_waives_tls() {
        for (header, expected) in [
            ("TLS-Required: No\r\n", true),
            ("Subject: x\r\ntls-required:no\r\nTo: y\r\n\r\n", true),
            ("TLS-Required:\r\n  NO \r\n", true),
            ("TLS-Required: Yes\r\n", false),
            ("TLS-Required: No, really\r\n", false),
            ("TLS-Required: No\r\n way\r\n", false),
            ("TLS-Required:\r\n", false),
            ("TLS-Required: No\r\nTLS-Required: No\r\n", false),
            ("TLS-Required: No\r\nTLS-Required: x\r\n", false),
            ("X-TLS-Required: No\r\n", false),
            ("Subject: TLS-Required: No\r\n", false),
            ("", false),
        ] {
            assert_eq!(waives(header.as_bytes()), expected, "{header:?}");
        }
    }
}
