//! What a call of sendmail asks for, as given: nothing is resolved and no address is parsed.

use std::str::FromStr;

use crate::envelope::{EnvelopeId, Notify, Returned};

/// A message on stdin, and what is to be done with it: the flags as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// `-f` or `-r`, unparsed; the last one counts. Empty or `<>` is the null reverse-path.
    pub sender: Option<String>,
    /// `-F`; empty means that a bare address is wanted.
    pub full_name: Option<String>,
    /// The arguments that name recipients, each an unparsed list of addresses. None of them is blank, and there
    /// is at least one unless the header is read too.
    pub recipients: Vec<String>,
    /// Whether the header names recipients as well.
    pub recipients_from: RecipientsFrom,
    /// What a line with only a dot means.
    pub lone_dot: LoneDot,
    /// How errors are told.
    pub errors: Errors,
    /// When to deliver.
    pub delivery: Delivery,
    /// Wishes for delivery status notifications (RFC 3461).
    pub dsn: Dsn,
    /// What the caller says of the body (`-B`).
    pub body_type: Option<BodyType>,
    /// How much of the header may be completed.
    pub header: HeaderFixes,
    /// Whether local names go through the alias file.
    pub aliases: Aliases,
    /// `-L`: the tag of log lines.
    pub log_tag: Option<String>,
    /// What was taken and not followed, a sentence without a full stop each. They belong in the log: a
    /// success says nothing.
    pub warnings: Vec<String>,
}

/// Where recipients come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientsFrom {
    /// From the arguments only.
    Arguments,
    /// `-t`: from the arguments, and from To, Cc and Bcc.
    ArgumentsAndHeader,
}

/// What a line that holds only a dot means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoneDot {
    /// The end of the message.
    Ends,
    /// `-i`: a line like any other.
    IsText,
}

/// What happens to error texts; the exit code does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Printed on stderr.
    Print,
    /// `-oeq`: not printed.
    Quiet,
}

/// When to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Before the call returns.
    Now,
    /// `-odb`: after the message is safe in the queue.
    Background,
    /// `-odq`, `-bq`: at the next run of the queue.
    Queue,
}

/// Wishes for delivery status notifications, of which the configuration may have some too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dsn {
    /// `-N`, `--dsn-notify` (RFC 3461 section 4.1).
    pub notify: Said<Notify>,
    /// `-R`, `--dsn-return` (RFC 3461 section 4.3).
    pub returned: Said<Returned>,
    /// `-V`, `--dsn-envid` (RFC 3461 section 4.4).
    pub envelope_id: Option<EnvelopeId>,
}

/// What the arguments say of something that the configuration may say as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Said<T> {
    /// Nothing: the configuration counts.
    #[default]
    Nothing,
    /// `off`: nothing is wished, whatever the configuration says.
    Off,
    /// This is wished.
    This(T),
}

impl<T> Said<T> {
    /// What is wished in the end.
    pub fn or(self, configured: Option<T>) -> Option<T> {
        match self {
            Said::Nothing => configured,
            Said::Off => None,
            Said::This(wish) => Some(wish),
        }
    }
}

impl<T: FromStr> FromStr for Said<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.eq_ignore_ascii_case("off") { Ok(Said::Off) } else { text.parse().map(Said::This) }
    }
}

/// What the caller says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// `7BIT`.
    SevenBit,
    /// `8BITMIME` (RFC 6152).
    EightBitMime,
    /// `BINARYMIME` (RFC 3030).
    BinaryMime,
}

/// How much of the header may be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFixes {
    /// Date, Message-ID and From are added where they lack, addresses get a domain, Bcc goes.
    All,
    /// `-G`: the message comes from elsewhere; only Bcc goes.
    BccOnly,
}

/// Whether local names go through the alias file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aliases {
    /// They do.
    Expand,
    /// `-n`: they do not.
    Skip,
}

/// What a run of the queue is to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flush {
    /// `-q`, `-qf`: everything.
    All,
    /// `-qI`, `-qR`, `-qS`: what holds a text.
    Matching(Filter),
}

/// Which queued messages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Where to look.
    pub field: FilterField,
    /// What is looked for; not empty.
    pub text: String,
    /// Which side of it is meant.
    pub sense: FilterSense,
}

/// Where a [`Filter`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterField {
    /// `-qI`: the queue identifier.
    Id,
    /// `-qR`: a recipient.
    Recipient,
    /// `-qS`: the sender.
    Sender,
}

/// Whether a [`Filter`] takes what it finds or the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterSense {
    /// What holds the text.
    Holds,
    /// `-q!`: what does not.
    Lacks,
}
