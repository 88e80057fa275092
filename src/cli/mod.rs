//! What was asked, verbatim: argv and nothing else becomes an [`Invocation`]. No file is read, no default is
//! looked up and nothing is printed.
//!
//! The name of the command chooses the face. A plain `sendmail` run never builds clap's tables, which would
//! cost more instructions than all the rest of its arguments.

pub mod flags;
pub mod generate;
pub mod letters;
mod rewrite;
pub mod sendmail;
pub mod submission;
pub mod values;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use letters::ModeKind;
use submission::{Flush, RecipientsFrom, Submission};
#[cfg(feature = "sink")]
use values::Sink;
use values::{Ask, Batch, Check, Dkim, Rewrite, Route, Send, Shell, TlsReport};

/// What applies to every call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// `--config`: the only configuration file to read.
    pub config: Option<PathBuf>,
    /// `-a`, `--account`, or the argument of `check`.
    pub account: Option<String>,
    /// `-v`, of either face.
    pub verbosity: Verbosity,
}

/// How much is shown on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors.
    #[default]
    Errors,
    /// The SMTP dialogue too, with secrets masked.
    Dialogue,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Submit the message on stdin.
    Sendmail(Submission),
    /// `-bs`: speak SMTP on stdin and stdout.
    SmtpOnStdio,
    /// `-bv`: verify addresses, send nothing.
    Verify {
        /// As in [`Submission::recipients`].
        recipients: Vec<String>,
        /// As in [`Submission::recipients_from`]; stdin is read only for the header.
        recipients_from: RecipientsFrom,
    },
    /// `mailq`, `-bp`: list the queue.
    QueueListing,
    /// `-bP`: print how many messages are queued.
    QueueCount,
    /// `-q`: deliver what is queued.
    Flush(Flush),
    /// `newaliases`, `-bi`: check the alias file.
    Aliases {
        /// `-oA`: instead of the usual one.
        file: Option<PathBuf>,
    },
    /// `-bC`: check the configuration.
    CheckConfig,
    /// Show what would be sent of the message on stdin.
    Rewrite(Rewrite),
    /// Write a message and submit it.
    Send(Box<Send>),
    /// Submit messages that are in files.
    Batch(Box<Batch>),
    /// Connect, log in, report, send nothing.
    Check(Check),
    /// Say where a message would go.
    Route(Route),
    /// Ask the server something.
    Ask(Ask),
    /// Keys for DKIM and their records.
    Dkim(Dkim),
    /// Sum up how TLS went.
    TlsReport(TlsReport),
    /// Catch mail.
    #[cfg(feature = "sink")]
    Sink(Sink),
    /// Show a submission to a sink of our own.
    #[cfg(feature = "sink")]
    Demo,
    /// Print a completion script.
    Completions(Shell),
    /// Print this text on stdout and succeed: help, the version, or nothing at all.
    Text(String),
}

/// The arguments cannot be followed. Nothing was done, and stdin was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong, on one line.
    pub message: String,
    /// What to do about it: sentences.
    pub hint: Option<String>,
}

impl UsageError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        UsageError { message: message.into(), hint: None }
    }

    /// The same with a hint.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        UsageError { hint: Some(hint.into()), ..self }
    }
}

/// Reads a command line. The last component of `argv[0]` decides how: `sendmail`, `send-mail`, `mailq` and
/// `newaliases` take sendmail's options, every other name takes subcommands, and
/// `posthaste [OPTIONS] sendmail …` hands all that follows to the first kind untouched.
///
/// # Errors
/// [`UsageError`] when the arguments cannot be followed.
pub fn parse(argv: Vec<OsString>) -> Result<(Global, Invocation), UsageError> {
    let name = argv.first().and_then(|path| Path::new(path).file_name()).unwrap_or_default();
    let arguments = argv.get(1..).unwrap_or_default();
    if let Some(mode) = drop_in(name) {
        return sendmail::parse(arguments, mode, Global::default());
    }
    if let [only] = arguments
        && (only == "--version" || only == "-V")
    {
        return Ok((Global::default(), Invocation::Text(version())));
    }
    match behind_globals(arguments) {
        Some((global, mode, rest)) => sendmail::parse(rest, mode, global),
        None => flags::parse(arguments),
    }
}

/// Which face of the program a command line calls, whether it can be followed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// A drop-in: programs call it, and log what they read.
    Sendmail,
    /// Subcommands: people call it.
    Posthaste,
}

/// Tells the face as [`parse`] does.
pub fn face(argv: &[OsString]) -> Face {
    let name = argv.first().and_then(|path| Path::new(path).file_name()).unwrap_or_default();
    match drop_in(name).is_some() || behind_globals(argv.get(1..).unwrap_or_default()).is_some() {
        true => Face::Sendmail,
        false => Face::Posthaste,
    }
}

/// The text of `--version`.
pub fn version() -> String {
    concat!("posthaste ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
}

fn drop_in(name: &OsStr) -> Option<ModeKind> {
    match name.to_str()? {
        "sendmail" | "send-mail" => Some(ModeKind::Submit),
        "mailq" => Some(ModeKind::ListQueue),
        "newaliases" => Some(ModeKind::Aliases),
        _ => None,
    }
}

/// Finds a drop-in's name behind options of posthaste itself. `None` where there is none, or where the options
/// are not right: clap tells that better.
fn behind_globals(arguments: &[OsString]) -> Option<(Global, ModeKind, &[OsString])> {
    let mut global = Global::default();
    let mut rest = arguments;
    loop {
        let (token, behind) = rest.split_first()?;
        let text = token.to_str()?;
        rest = behind;
        let mut set = |name: &str, value: Option<&str>| {
            let value = match value {
                Some(value) => OsStr::new(value),
                None => {
                    let (next, behind) = rest.split_first()?;
                    rest = behind;
                    next.as_os_str()
                }
            };
            match name {
                "config" if global.config.is_none() => global.config = Some(PathBuf::from(value)),
                "account" if global.account.is_none() => global.account = Some(value.to_str()?.to_owned()),
                _ => return None,
            }
            Some(())
        };
        if let Some(long) = text.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => set(name, Some(value))?,
                None if long == "verbose" => global.verbosity = Verbosity::Dialogue,
                None => set(long, None)?,
            }
        } else if let Some(cluster) = text.strip_prefix('-') {
            let letters = cluster.trim_start_matches('v');
            if letters.len() < cluster.len() {
                global.verbosity = Verbosity::Dialogue;
            }
            match letters.strip_prefix('a') {
                Some("") => set("account", None)?,
                Some(value) => set("account", Some(value.strip_prefix('=').unwrap_or(value)))?,
                None if letters.is_empty() && !cluster.is_empty() => {}
                None => return None,
            }
        } else {
            return drop_in(token).map(|mode| (global, mode, rest));
        }
    }
}
