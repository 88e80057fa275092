//! The command line as sendmail reads it: letters that cluster, values attached or apart, and no option after
//! the first address. It is parsed by hand, because no parser of the usual kind reads `-oi`, `-q` and `-bs` so.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::letters::{self, Effect, Letter, ModeKind, OptionEffect, Value};
use super::submission::{
    Aliases, BodyType, Delivery, Dsn, Errors, Filter, FilterField, FilterSense, Flush, HeaderFixes, LoneDot,
    RecipientsFrom, Submission,
};
use super::{Global, Invocation, UsageError, Verbosity};
use crate::envelope::NoSuchWish;

/// Reads the arguments behind the command name. `mode` is what the name itself asks for (`mailq` is `-bp`); a
/// later `-b` counts more.
///
/// # Errors
/// [`UsageError`] for an unknown letter or mode, a missing value, no recipients, or an address where none
/// belongs. Nothing has been read from stdin then.
pub fn parse(arguments: &[OsString], mode: ModeKind, global: Global) -> Result<(Global, Invocation), UsageError> {
    let mut state = State::new(mode, global);
    let mut rest = arguments;
    while let Some((token, behind)) = rest.split_first() {
        let bytes = token.as_encoded_bytes();
        match bytes {
            b"--" => {
                rest = behind;
                state.addresses = rest.iter().map(|token| recipient(token)).collect::<Result<_, _>>()?;
                return state.finish();
            }
            b"-" => return Err(UsageError::new("`-` is no address").hint("The message is always read from stdin.")),
            [b'-', b'-', ..] => match bytes {
                b"--help" => return Ok((state.global, Invocation::Text(letters::help()))),
                b"--version" => return Ok((state.global, Invocation::Text(super::version()))),
                _ => return Err(unknown(&token.to_string_lossy())),
            },
            [b'-', cluster @ ..] => rest = state.cluster(cluster, behind)?,
            _ => break,
        }
    }
    if let Some(late) = rest.iter().find(|token| token.as_encoded_bytes().starts_with(b"-")) {
        return Err(UsageError::new(format!("`{}` stands behind an address", late.to_string_lossy()))
            .hint("Options come first. If it is an address, put `--` in front of the addresses."));
    }
    state.addresses = rest.iter().map(|token| recipient(token)).collect::<Result<_, _>>()?;
    state.finish()
}

fn recipient(token: &OsStr) -> Result<String, UsageError> {
    let Some(text) = token.to_str() else {
        return Err(UsageError::new(format!("the recipient `{}` is not UTF-8", token.to_string_lossy())));
    };
    if matches!(text.trim(), "" | "<>") {
        return Err(UsageError::new("a recipient is empty").hint("An unset variable in the caller is the usual cause."));
    }
    Ok(text.to_owned())
}

fn unknown(option: &str) -> UsageError {
    UsageError::new(format!("unknown option `{option}`")).hint("`sendmail --help` lists the options.")
}

/// What the tokens read so far amount to.
struct State {
    global: Global,
    mode: ModeKind,
    queue: Option<QueueRequest>,
    alias_file: Option<PathBuf>,
    version_wanted: bool,
    addresses: Vec<String>,
    submission: Submission,
}

/// What `-q` asks for.
enum QueueRequest {
    Flush(Flush),
    /// `-q15m`: the daemon of other sendmails.
    Periodic,
}

impl State {
    fn new(mode: ModeKind, global: Global) -> Self {
        State {
            global,
            mode,
            queue: None,
            alias_file: None,
            version_wanted: false,
            addresses: Vec::new(),
            submission: Submission {
                sender: None,
                full_name: None,
                recipients: Vec::new(),
                recipients_from: RecipientsFrom::Arguments,
                lone_dot: LoneDot::Ends,
                errors: Errors::Print,
                delivery: Delivery::Now,
                dsn: Dsn::default(),
                body_type: None,
                header: HeaderFixes::All,
                aliases: Aliases::Expand,
                log_tag: None,
                warnings: Vec::new(),
            },
        }
    }

    /// Takes one token without its dash, and the value behind it where one is needed; hands back what is left.
    fn cluster<'a>(&mut self, mut cluster: &[u8], mut behind: &'a [OsString]) -> Result<&'a [OsString], UsageError> {
        while let Some((&byte, tail)) = cluster.split_first() {
            let Some(entry) = letters::LETTERS.iter().find(|entry| entry.letter == char::from(byte)) else {
                // The whole character, so that an umlaut is named and not its first octet.
                let character = String::from_utf8_lossy(cluster).chars().next().unwrap_or_default();
                return Err(unknown(&format!("-{character}")));
            };
            let value = match entry.value {
                Value::None => {
                    self.letter(entry, b"")?;
                    cluster = tail;
                    continue;
                }
                Value::Attached(_) => tail,
                Value::Needed(_) if !tail.is_empty() => tail,
                Value::Needed(name) => {
                    let Some((next, left)) = behind.split_first() else {
                        return Err(UsageError::new(format!("-{} needs a value: {name}", entry.letter)));
                    };
                    behind = left;
                    next.as_encoded_bytes()
                }
            };
            self.letter(entry, value)?;
            break;
        }
        Ok(behind)
    }

    fn letter(&mut self, entry: &Letter, value: &[u8]) -> Result<(), UsageError> {
        let letter = entry.letter;
        let text = String::from_utf8_lossy(value);
        let submission = &mut self.submission;
        match entry.effect {
            Effect::Mode => self.mode = mode(&text)?,
            Effect::Aliases => self.mode = ModeKind::Aliases,
            Effect::ShortOption => {
                let mut characters = text.chars();
                let Some(name) = characters.next() else {
                    return Err(UsageError::new("-o needs an option letter"));
                };
                let entry = letters::SHORT_OPTIONS.iter().find(|option| option.letter == name);
                let value = characters.as_str();
                self.option(entry.map_or(OptionEffect::Ignore, |option| option.effect), value);
            }
            Effect::LongOption => {
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                let entry = letters::LONG_OPTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
                self.option(entry.map_or(OptionEffect::Ignore, |(_, effect)| *effect), value.trim());
            }
            Effect::Queue => self.queue = Some(queue(&text)?),
            Effect::Debug => self.version_wanted |= text == "0" || text.starts_with("0."),
            Effect::RecipientsFromHeader => submission.recipients_from = RecipientsFrom::ArgumentsAndHeader,
            Effect::LoneDotIsText => submission.lone_dot = LoneDot::IsText,
            Effect::Sender => match std::str::from_utf8(value) {
                Ok(sender) => submission.sender = Some(sender.to_owned()),
                Err(_) => return Err(UsageError::new(format!("the sender `{text}` (-{letter}) is not UTF-8"))),
            },
            Effect::FullName => submission.full_name = Some(name(value)),
            Effect::Errors => self.option(OptionEffect::Errors, &text),
            Effect::Verbose => self.global.verbosity = Verbosity::Dialogue,
            Effect::Notify => match text.parse() {
                Ok(notify) => submission.dsn.notify = notify,
                Err(NoSuchWish { .. }) => self.ignore(letter, &text),
            },
            Effect::Return => match text.parse() {
                Ok(returned) => submission.dsn.returned = returned,
                Err(NoSuchWish { .. }) => self.ignore(letter, &text),
            },
            Effect::EnvelopeId => match text.parse() {
                Ok(id) => submission.dsn.envelope_id = Some(id),
                Err(NoSuchWish { .. }) => self.ignore(letter, &text),
            },
            Effect::BodyType => match text.to_ascii_uppercase().as_str() {
                "7BIT" => submission.body_type = Some(BodyType::SevenBit),
                "8BITMIME" => submission.body_type = Some(BodyType::EightBitMime),
                "BINARYMIME" => submission.body_type = Some(BodyType::BinaryMime),
                _ => self.ignore(letter, &text),
            },
            Effect::Relay => submission.header = HeaderFixes::BccOnly,
            Effect::NoAliases => submission.aliases = Aliases::Skip,
            Effect::LogTag if is_short_and_printable(value) => submission.log_tag = Some(text.into_owned()),
            Effect::LogTag | Effect::IgnoreAloud => self.ignore(letter, &text),
            Effect::Ignore => {}
            Effect::IgnoreAttached if value.is_empty() => return Err(refused(&format!("-{letter}"))),
            Effect::IgnoreAttached => {}
            Effect::Refuse => return Err(refused(&format!("-{letter}"))),
        }
        Ok(())
    }

    fn option(&mut self, effect: OptionEffect, value: &str) {
        let submission = &mut self.submission;
        let first = value.chars().next();
        match (effect, first) {
            (OptionEffect::AliasFile, Some(_)) => self.alias_file = Some(PathBuf::from(value)),
            (OptionEffect::Delivery, Some('i' | 'f')) => submission.delivery = Delivery::Now,
            (OptionEffect::Delivery, Some('b')) => submission.delivery = Delivery::Background,
            (OptionEffect::Delivery, Some('q' | 'd')) => submission.delivery = Delivery::Queue,
            (OptionEffect::Errors, Some('q')) => submission.errors = Errors::Quiet,
            (OptionEffect::Errors, Some('e' | 'm' | 'p' | 'w')) => submission.errors = Errors::Print,
            (OptionEffect::IgnoreDots, Some('f' | 'F' | 'n' | 'N' | '0')) => submission.lone_dot = LoneDot::Ends,
            (OptionEffect::IgnoreDots, _) => submission.lone_dot = LoneDot::IsText,
            (OptionEffect::Verbose, Some('f' | 'F' | 'n' | 'N' | '0')) => {}
            (OptionEffect::Verbose, _) => self.global.verbosity = Verbosity::Dialogue,
            (OptionEffect::Delivery, _) => self.warn(format!("the delivery mode `{value}` is unknown and ignored")),
            (OptionEffect::Errors, _) => self.warn(format!("the error mode `{value}` is unknown and ignored")),
            (OptionEffect::AliasFile, None) | (OptionEffect::Ignore, _) => {}
        }
    }

    fn ignore(&mut self, letter: char, value: &str) {
        self.warn(format!("-{letter} `{value}` is ignored"));
    }

    fn warn(&mut self, warning: String) {
        self.submission.warnings.push(warning);
    }

    fn finish(mut self) -> Result<(Global, Invocation), UsageError> {
        let submits = matches!(self.mode, ModeKind::Submit | ModeKind::SubmitToQueue);
        if submits && let Some(request) = self.queue.take() {
            return self.queue_run(request);
        }
        let header_too = self.submission.recipients_from == RecipientsFrom::ArgumentsAndHeader;
        let recipients = std::mem::take(&mut self.addresses);
        if submits || self.mode == ModeKind::Verify {
            if recipients.is_empty() && !header_too {
                if submits && self.version_wanted {
                    return Ok((self.global, Invocation::Text(super::version())));
                }
                return Err(UsageError::new("no recipients")
                    .hint("Name them as arguments, or use -t to take them from the header."));
            }
        } else if let Some(first) = recipients.first() {
            return Err(UsageError::new(format!("this mode takes no address, and `{first}` is one")));
        }
        let invocation = match self.mode {
            ModeKind::Submit => Invocation::Sendmail(Submission { recipients, ..self.submission }),
            ModeKind::SubmitToQueue => {
                Invocation::Sendmail(Submission { recipients, delivery: Delivery::Queue, ..self.submission })
            }
            ModeKind::Verify => Invocation::Verify { recipients, recipients_from: self.submission.recipients_from },
            ModeKind::Smtp if header_too => return Err(UsageError::new("-bs and -t exclude each other")),
            ModeKind::Smtp => Invocation::SmtpOnStdio,
            ModeKind::ListQueue => Invocation::QueueListing,
            ModeKind::CountQueue => Invocation::QueueCount,
            ModeKind::Aliases => Invocation::Aliases { file: self.alias_file },
            ModeKind::CheckConfig => Invocation::CheckConfig,
            ModeKind::Nothing => Invocation::Text(String::new()),
            ModeKind::Refuse => return Err(refused("this mode")),
        };
        Ok((self.global, invocation))
    }

    fn queue_run(self, request: QueueRequest) -> Result<(Global, Invocation), UsageError> {
        let invocation = match (request, self.addresses.as_slice()) {
            (QueueRequest::Flush(flush), []) => Invocation::Flush(flush),
            (QueueRequest::Periodic, []) => Invocation::Text(String::new()),
            // `-q 15m`, as some start scripts have it.
            (QueueRequest::Flush(Flush::All), [only]) if is_interval(only) => Invocation::Text(String::new()),
            (_, [first, ..]) => {
                return Err(UsageError::new(format!("-q takes no address, and `{first}` is one"))
                    .hint("What -q is to deliver is attached to it, as in -qRexample.org."));
            }
        };
        Ok((self.global, invocation))
    }
}

fn refused(what: &str) -> UsageError {
    UsageError::new(format!("{what} is not supported")).hint("`sendmail --help` lists the options.")
}

fn mode(text: &str) -> Result<ModeKind, UsageError> {
    let mut characters = text.chars();
    let (Some(letter), "") = (characters.next(), characters.as_str()) else {
        return Err(unknown(&format!("-b{text}")));
    };
    match letters::MODES.iter().find(|mode| mode.letter == letter) {
        Some(mode) if mode.kind == ModeKind::Refuse => {
            let reason = mode.meaning.strip_prefix("refused: ").unwrap_or("not supported");
            Err(UsageError::new(format!("-b{letter}: {reason}")))
        }
        Some(mode) => Ok(mode.kind),
        None => Err(unknown(&format!("-b{text}"))),
    }
}

fn queue(text: &str) -> Result<QueueRequest, UsageError> {
    let (sense, tail) = match text.strip_prefix('!') {
        Some(tail) => (FilterSense::Lacks, tail),
        None => (FilterSense::Holds, text),
    };
    let mut characters = tail.chars();
    let field = match (characters.next(), sense) {
        (None, FilterSense::Holds) => return Ok(QueueRequest::Flush(Flush::All)),
        (Some('f'), FilterSense::Holds) if tail == "f" => return Ok(QueueRequest::Flush(Flush::All)),
        (Some('0'..='9'), FilterSense::Holds) if is_interval(tail) => return Ok(QueueRequest::Periodic),
        (Some('I'), _) => FilterField::Id,
        (Some('R'), _) => FilterField::Recipient,
        (Some('S'), _) => FilterField::Sender,
        _ => return Err(refused(&format!("-q{text}"))),
    };
    if characters.as_str().is_empty() {
        return Err(UsageError::new(format!("-q{text} needs the text to look for, attached")));
    }
    Ok(QueueRequest::Flush(Flush::Matching(Filter { field, text: characters.as_str().to_owned(), sense })))
}

/// `15m`, `1h30m`, `30`: sendmail's way of writing a time.
fn is_interval(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|character| matches!(character, '0'..='9' | 's' | 'm' | 'h' | 'd' | 'w'))
}

/// A full name in any encoding: what is not UTF-8 comes from a terminal with ISO 8859-1.
fn name(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&octet| char::from(octet)).collect(),
    }
}

fn is_short_and_printable(value: &[u8]) -> bool {
    (1..=100).contains(&value.len()) && value.iter().all(|octet| (b' '..=b'~').contains(octet))
}
