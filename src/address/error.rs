//! Why something is not an address.

/// Something that is not an address: the piece of text, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{piece}: {fault}")]
pub struct AddressError {
    piece: String,
    fault: Fault,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is there.
    #[error("there is no address")]
    Empty,
    /// One address was expected.
    #[error("more than one address")]
    MoreThanOne,
    /// A name without a domain where no domain is known.
    #[error("the address has no domain")]
    Unqualified,
    /// Words that are neither addresses nor login names.
    #[error("these words are no address")]
    Words,
    /// Nothing before the `@`.
    #[error("nothing stands before the @")]
    NoLocal,
    /// Two `@`.
    #[error("more than one @")]
    TwoAts,
    /// Something in the local part that must be quoted.
    #[error("the local part is malformed")]
    BadLocal,
    /// No domain, or something that is none.
    #[error("the domain is malformed")]
    BadDomain,
    /// A CR, LF, NUL, or other control.
    #[error("a control character in an address")]
    Control,
    /// A line break that is not a fold.
    #[error("a line break in an address list")]
    LineBreak,
    /// The local part is in another charset.
    #[error("the local part is neither ASCII nor UTF-8")]
    NotUtf8,
    /// The domain is not ASCII, or says that it is an A-label, and IDNA does not know it (RFC 5891).
    #[error("this is no internationalised domain name")]
    NotIdn,
    /// More octets than any server takes.
    #[error("the address is too long")]
    TooLong,
    /// `"` without an end.
    #[error("the quoted string has no end")]
    OpenQuote,
    /// `(` without an end.
    #[error("the comment has no end")]
    OpenComment,
    /// Comments in comments in comments.
    #[error("comments are nested too deep")]
    DeepComment,
    /// `[` without an end.
    #[error("the domain literal has no end")]
    OpenLiteral,
    /// `<` without `>`.
    #[error("the < has no >")]
    OpenAngle,
    /// Something behind the `>`.
    #[error("a comma is missing behind the >")]
    BehindAngle,
    /// `Doe, John <john@x>`.
    #[error("a name with a comma in it must stand in quotes")]
    CommaInName,
    /// A character where it means nothing.
    #[error("'{0}' is out of place")]
    Misplaced(char),
    /// `;` that ends no group.
    #[error("';' does not separate addresses; use a comma")]
    Semicolon,
    /// A group without `;`.
    #[error("the group has no ';' at its end")]
    OpenGroup,
    /// A group in a group.
    #[error("a group in a group")]
    NestedGroup,
    /// `|command`.
    #[error("mail is not delivered to commands")]
    Command,
    /// `/file`.
    #[error("mail is not delivered to files")]
    File,
    /// `:include:/file`.
    #[error("lists are not included from files")]
    Include,
}

impl AddressError {
    /// An error about this piece of the text, which is made fit for a terminal.
    pub(crate) fn new(piece: &[u8], fault: Fault) -> Self {
        let piece = String::from_utf8_lossy(&piece[..piece.len().min(PIECE_LIMIT)]);
        let mut shown = String::with_capacity(piece.len() + 2);
        shown.push('\'');
        for c in piece.trim().chars() {
            if c.is_control() {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| shown.push_str(&format!("\\x{octet:02x}")));
            } else {
                shown.push(c);
            }
        }
        shown.push('\'');
        AddressError { piece: shown, fault }
    }

    /// The piece of text that is no address, in quotes and without control characters.
    pub fn piece(&self) -> &str {
        &self.piece
    }

    /// What is wrong with it.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

/// How much of a piece is shown, in octets.
const PIECE_LIMIT: usize = 200;
