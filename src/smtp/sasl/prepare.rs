//! SASLprep (RFC 4013): one form for what is typed in several.

use std::borrow::Cow;

use zeroize::Zeroizing;

/// The text in its one form. ASCII stays as it is.
///
/// # Errors
/// When it has a character that the profile forbids, or is nothing afterwards.
pub(crate) fn prepare(text: &str) -> Result<Zeroizing<String>, Unpreparable> {
    let prepared = stringprep::saslprep(text).map_err(|_| Unpreparable)?;
    match prepared {
        Cow::Borrowed("") => Err(Unpreparable),
        Cow::Owned(text) if text.is_empty() => Err(Unpreparable),
        prepared => Ok(Zeroizing::new(prepared.into_owned())),
    }
}

/// The same, or the text as it is where it has no such form: servers that compare octets know it so.
pub(super) fn prepare_or_keep(text: &str) -> Zeroizing<String> {
    prepare(text).unwrap_or_else(|Unpreparable| Zeroizing::new(text.to_owned()))
}

/// The user name or the password has a character that SASLprep forbids. It is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpreparable;

#[cfg(test)]
mod tests {
    use super::*;

    /// P-192: the examples of RFC 4013 section 3, and what RFC 3454 forbids.
    #[test]
    fn examples_of_rfc_4013() {
        for (text, prepared) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("a\u{a0}b", "a b"),
            ("two words ", "two words "),
        ] {
            assert_eq!(prepare(text).unwrap().as_str(), prepared, "{text:?}");
        }
        for text in ["\u{7}", "\u{627}1", "", "\u{ad}", "\u{e000}", "\u{221}"] {
            assert_eq!(prepare(text), Err(Unpreparable), "{text:?}");
            assert_eq!(prepare_or_keep(text).as_str(), text);
        }
    }
}
