//! What the octets of a text can be called.

/// What the octets of a text can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Ascii,
    Utf8,
    Unknown,
}

/// What 8-bit text is called that is not UTF-8, where nobody says what it is (RFC 1428).
pub const UNKNOWN: &str = "unknown-8bit";

impl Charset {
    /// The field that calls text so; `unknown` is the name of what is neither ASCII nor UTF-8.
    pub(super) fn content_type(self, unknown: &str) -> String {
        let name = match self {
            Charset::Ascii => "us-ascii",
            Charset::Utf8 => "utf-8",
            Charset::Unknown => unknown,
        };
        format!("Content-Type: text/plain; charset={name}\r\n")
    }
}

/// Whether octets that come block by block are UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character that has not ended.
    open: Vec<u8>,
    validity: Validity,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Validity {
    #[default]
    Valid,
    Invalid,
}

impl Utf8 {
    /// Looks at a block.
    pub(super) fn push(&mut self, block: &[u8]) {
        let mut rest = block;
        while let (false, Some((first, behind))) = (self.open.is_empty(), rest.split_first()) {
            self.open.push(*first);
            rest = behind;
            match std::str::from_utf8(&self.open) {
                Ok(_) => self.open.clear(),
                Err(error) if error.error_len().is_some() => return self.fail(),
                Err(_) => {}
            }
        }
        if self.validity == Validity::Invalid {
            return;
        }
        if let Err(error) = std::str::from_utf8(rest) {
            match error.error_len() {
                Some(_) => self.fail(),
                None => self.open = rest[error.valid_up_to()..].to_vec(),
            }
        }
    }

    fn fail(&mut self) {
        self.validity = Validity::Invalid;
        self.open.clear();
    }

    /// Whether a character has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// What all that was looked at can be called; blocks of nothing but ASCII need not have been looked at.
    pub(super) fn charset(&self, is_eight_bit: bool) -> Charset {
        match self.validity {
            _ if !is_eight_bit => Charset::Ascii,
            Validity::Valid if self.open.is_empty() => Charset::Utf8,
            _ => Charset::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_cut_anywhere() {
        for (text, charset) in [
            (&b"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"[..], Charset::Utf8),
            (b"h\xc3", Charset::Unknown),
            (b"h\xc3h\xc3\xa9", Charset::Unknown),
            (b"h\xa9\xc3\xa9", Charset::Unknown),
        ] {
            for block in 1..=text.len() {
                let mut utf8 = Utf8::default();
                text.chunks(block).for_each(|block| utf8.push(block));
                assert_eq!(utf8.charset(true), charset, "{} in blocks of {block}", text.escape_ascii());
            }
        }
    }
}
