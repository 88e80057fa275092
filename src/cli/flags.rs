//! Posthaste's own command line, by clap: the subcommands for people and for tests.

mod dkim;
mod route;
#[cfg(feature = "sink")]
mod sink;
mod tlsrpt;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueHint};

use super::letters::ModeKind;
use super::rewrite::RewriteFlags;
use super::submission::{Dsn, Said};
use super::values::{Ask, Batch, Body, Check, Format, HeaderField, NamedFile, Send, SendAction, Servers, Shell, Text};
use super::{Global, Invocation, UsageError, Verbosity, sendmail};
use crate::envelope::{ClientAttribute, DeliverBy, EnvelopeId, Hold, Notify, Priority, Returned, Way};
use crate::failure::Exit;
use crate::smtp::question::Verb;

/// Reads the arguments behind the command name.
///
/// # Errors
/// [`UsageError`] where clap has one; help and the version are texts and no errors.
pub fn parse(arguments: &[OsString]) -> Result<(Global, Invocation), UsageError> {
    let name = OsString::from("posthaste");
    match Cli::try_parse_from(std::iter::once(&name).chain(arguments)) {
        Ok(cli) => cli.invocation(),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok((Global::default(), Invocation::Text(error.render().to_string())))
        }
        Err(error) => Err(usage_error(&error, arguments)),
    }
}

/// The description of the whole command line, for completions and tests.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The exit codes for the end of a long help.
pub(super) fn exit_codes() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

const EXAMPLES: &str = "\
Examples:
  posthaste demo
  posthaste check work
  posthaste send --to bob@example.net --subject Hello --body 'See you at 8.'
  posthaste -a work sendmail -t < message.eml

Four lines in ~/.config/posthaste/config.toml are enough:
  server = \"submissions://alice@smtp.example.org\"
  password-command = \"pass show smtp.example.org\"
  from = \"alice@example.org\"
  mail-domain = \"example.org\"
";

const SEND_EXAMPLES: &str = "\
Examples:
  posthaste send --to bob@example.net --subject Hello --body 'See you at 8.'
  df -h | posthaste send --to root@example.org --subject 'Disks'
  posthaste send --to bob@example.net --subject Report --body 'Attached.' \\
      --attach report.pdf --attach 'Figures 2026.csv=/srv/out/4711.csv'
  posthaste send --to bob@example.net --subject Logo --inline logo.png \\
      --html '<p>Our logo: <img src=\"cid:logo.png\"></p>' --dry-run
  posthaste send --batch invoices/*.eml";

/// Submit mail: a sendmail for programs, a mailer for people
#[derive(Debug, Parser)]
#[command(
    name = "posthaste",
    version,
    max_term_width = 80,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n{}\n\nThe manual is posthaste(1), posthaste-sendmail(8) and posthaste.toml(5).", exit_codes()),
    subcommand_required = true,
)]
struct Cli {
    #[command(flatten)]
    global: GlobalFlags,
    #[command(subcommand)]
    subcommand: Subcommands,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Options for every subcommand")]
struct GlobalFlags {
    /// Read this configuration file and no other
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Use this account of the configuration
    #[arg(short, long, global = true, value_name = "NAME")]
    account: Option<String>,
    /// Show the SMTP dialogue on stderr, with secrets masked
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Write a message and send it
    Send(Box<SendFlags>),
    /// Print the message on standard input as sendmail would send it
    #[command(override_usage = "posthaste rewrite [--explain] [ARGUMENT]... < <MESSAGE>")]
    Rewrite(RewriteFlags),
    /// Connect and log in, report each step, send nothing
    Check(CheckFlags),
    /// Say where a message would go, and whether somebody listens there
    Route(route::RouteFlags),
    /// Ask the server who somebody is (VRFY)
    Vrfy(AskFlags),
    /// Ask the server who is on a list (EXPN)
    Expn(AskFlags),
    /// Ask the server to send what it keeps for a host (ETRN)
    Etrn(AskFlags),
    /// Ask the server what it says of itself, or of a command (HELP)
    ServerHelp {
        /// The command
        topic: Option<String>,
    },
    /// Make a key for DKIM signatures, or print its DNS record
    Dkim(dkim::DkimFlags),
    /// Sum up for a domain's owner how TLS with its mail exchangers went
    Tlsrpt(tlsrpt::TlsReportFlags),
    /// Catch mail with a small SMTP server on this machine
    #[cfg(feature = "sink")]
    Sink(sink::SinkFlags),
    /// Send a message to a sink of our own and show what happens
    #[cfg(feature = "sink")]
    Demo,
    /// Print a completion script
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Submit the message on standard input, as sendmail does
    #[command(disable_help_flag = true, override_usage = "posthaste [OPTIONS] sendmail [ARGUMENT]...")]
    Sendmail(DropIn),
    /// List the queue, as sendmail's mailq does (there is none yet)
    #[command(disable_help_flag = true, override_usage = "posthaste [OPTIONS] mailq [ARGUMENT]...")]
    Mailq(DropIn),
    /// Check the alias file, as sendmail's newaliases does
    #[command(disable_help_flag = true, override_usage = "posthaste [OPTIONS] newaliases [ARGUMENT]...")]
    Newaliases(DropIn),
}

/// The arguments of a drop-in, which are not clap's to read.
#[derive(Args, Debug)]
struct DropIn {
    /// Options of sendmail(8); `posthaste sendmail --help` lists them
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Args, Debug)]
#[command(
    override_usage = "posthaste send --to <ADDRESS> [OPTIONS]\n       posthaste send --batch <FILE>... [OPTIONS]",
    after_help = SEND_EXAMPLES,
    after_long_help = format!("{SEND_EXAMPLES}\n\n{}", exit_codes()),
)]
struct SendFlags {
    /// Recipients; may be repeated, and may be a list
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    to: Vec<String>,
    /// Recipients of a copy
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    cc: Vec<String>,
    /// Recipients of a copy whom the message does not name
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    bcc: Vec<String>,
    /// The author; without it, the account's
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    from: Option<String>,
    /// Where answers go
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    reply_to: Vec<String>,
    /// Where bounces go; without it, to the author. '' is nowhere
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    envelope_from: Option<String>,
    /// The subject
    #[arg(short, long, value_name = "TEXT")]
    subject: Option<String>,
    /// The text. Without it and without HTML, standard input is read
    #[arg(short, long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,
    /// Read the text from this file; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    body_file: Option<PathBuf>,
    /// The text as HTML, beside the plain one if there is one
    #[arg(long, value_name = "HTML", conflicts_with = "html_file")]
    html: Option<String>,
    /// Read the HTML from this file; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html_file: Option<PathBuf>,
    /// Attach a file, under a name of its own as NAME=PATH
    ///
    /// The name ends at the first equals sign, unless a slash comes before it: ./a=b.txt is a path. The name
    /// decides the content type.
    #[arg(long, value_name = "[NAME=]PATH", value_hint = ValueHint::FilePath)]
    attach: Vec<NamedFile>,
    /// Add a picture that the HTML shows as cid:CID
    ///
    /// Without CID= it is called what its file is called: --inline img/logo.png is <img src="cid:logo.png">.
    #[arg(long, value_name = "[CID=]PATH", value_hint = ValueHint::FilePath)]
    inline: Vec<NamedFile>,
    /// Add a field to the header, as 'Name: value'
    #[arg(long, value_name = "FIELD")]
    header: Vec<HeaderField>,
    /// Send the messages in these files, in one session, to those whom their headers name
    ///
    /// A file is a message with a header, or an mbox; a directory is a Maildir. A line on stderr tells of each recipient
    /// who did not get a message, and the others get theirs.
    #[arg(
        long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::AnyPath,
        conflicts_with_all = [
            "to", "cc", "bcc", "from", "reply_to", "subject", "body", "body_file", "html", "html_file", "attach",
            "inline", "header", "dsn_envid", "deliver_by", "hold_for", "hold_until", "mt_priority", "xclient", "dry_run",
            "json",
        ],
    )]
    batch: Vec<PathBuf>,
    /// When to be notified: never, or a list of success, failure and delay; off leaves it to the server
    #[arg(long, value_name = "WHEN")]
    dsn_notify: Option<Said<Notify>>,
    /// What a notification brings back: full or hdrs; off leaves it to the server
    #[arg(long, value_name = "PART")]
    dsn_return: Option<Said<Returned>>,
    /// What notifications call the message
    #[arg(long, value_name = "ID")]
    dsn_envid: Option<EnvelopeId>,
    /// Deliver within this time, as 90, 15m, 2h or 1d, or not at all
    ///
    /// With ,notify behind it a late message is delivered all the same, and the sender told; with ,trace each server
    /// tells when it passes the message on.
    #[arg(long, value_name = "TIME[,notify]", allow_hyphen_values = true)]
    deliver_by: Option<DeliverBy>,
    /// Let the server hold the message for this time, as 90, 15m, 2h or 1d
    #[arg(long, value_name = "TIME", value_parser = Hold::for_time, conflicts_with = "hold_until")]
    hold_for: Option<Hold>,
    /// Let the server hold the message until then, as 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = Hold::until)]
    hold_until: Option<Hold>,
    /// How urgent the message is, from -9 to 9
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    mt_priority: Option<Priority>,
    /// Send only where TLS is promised all the way to the recipient (REQUIRETLS)
    #[arg(long)]
    require_tls: bool,
    /// Let the server take us for another client, as ADDR=192.0.2.7; for tests of its rules
    #[arg(long, value_name = "NAME=VALUE")]
    xclient: Vec<ClientAttribute>,
    /// Send to the mail exchangers of the recipients' domains, and not to the account's server
    #[arg(long)]
    direct: bool,
    /// Print envelope and message, and connect to nobody
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Report in JSON, one object a line for each recipient
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_long_help = exit_codes())]
struct CheckFlags {
    /// The account; without it, the default
    #[arg(value_name = "ACCOUNT")]
    name: Option<String>,
    /// Let the server take us for another client, as ADDR=192.0.2.7
    #[arg(long, value_name = "NAME=VALUE")]
    xclient: Vec<ClientAttribute>,
    /// Report in JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_long_help = exit_codes())]
struct AskFlags {
    /// What it is asked about
    #[arg(value_name = "NAME", required = true)]
    about: Vec<String>,
}

impl Cli {
    fn invocation(self) -> Result<(Global, Invocation), UsageError> {
        let verbosity = if self.global.verbose > 0 { Verbosity::Dialogue } else { Verbosity::Errors };
        let mut global = Global { config: self.global.config, account: self.global.account, verbosity };
        let invocation = match self.subcommand {
            Subcommands::Send(flags) if !flags.batch.is_empty() => Invocation::Batch(Box::new(flags.batch())),
            Subcommands::Send(flags) => Invocation::Send(Box::new(flags.send()?)),
            Subcommands::Rewrite(flags) => return flags.rewrite(global),
            Subcommands::Check(flags) => {
                match (&global.account, flags.name) {
                    (Some(option), Some(argument)) if *option != argument => {
                        let message = format!("two accounts are named, `{option}` and `{argument}`");
                        return Err(UsageError::new(message));
                    }
                    (_, Some(argument)) => global.account = Some(argument),
                    (_, None) => {}
                }
                Invocation::Check(Check { xclient: flags.xclient, format: format(flags.json) })
            }
            Subcommands::Vrfy(flags) => Invocation::Ask(Ask { verb: Verb::Verify, about: flags.about }),
            Subcommands::Expn(flags) => Invocation::Ask(Ask { verb: Verb::Expand, about: flags.about }),
            Subcommands::Etrn(flags) => Invocation::Ask(Ask { verb: Verb::StartQueue, about: flags.about }),
            Subcommands::ServerHelp { topic } => {
                Invocation::Ask(Ask { verb: Verb::Help, about: vec![topic.unwrap_or_default()] })
            }
            Subcommands::Route(flags) => Invocation::Route(flags.route()),
            Subcommands::Dkim(flags) => Invocation::Dkim(flags.dkim()?),
            Subcommands::Tlsrpt(flags) => Invocation::TlsReport(flags.report()),
            #[cfg(feature = "sink")]
            Subcommands::Sink(flags) => Invocation::Sink(flags.sink()),
            #[cfg(feature = "sink")]
            Subcommands::Demo => Invocation::Demo,
            Subcommands::Completions { shell } => Invocation::Completions(shell),
            Subcommands::Sendmail(drop_in) => return sendmail::parse(&drop_in.arguments, ModeKind::Submit, global),
            Subcommands::Mailq(drop_in) => return sendmail::parse(&drop_in.arguments, ModeKind::ListQueue, global),
            Subcommands::Newaliases(drop_in) => {
                return sendmail::parse(&drop_in.arguments, ModeKind::Aliases, global);
            }
        };
        Ok((global, invocation))
    }
}

impl SendFlags {
    fn batch(self) -> Batch {
        Batch {
            files: self.batch,
            envelope_from: self.envelope_from,
            dsn: Dsn {
                notify: self.dsn_notify.unwrap_or_default(),
                returned: self.dsn_return.unwrap_or_default(),
                envelope_id: None,
            },
            way: if self.require_tls { Way::Tls } else { Way::Usual },
            servers: if self.direct { Servers::Exchangers } else { Servers::OfAccount },
        }
    }

    fn send(self) -> Result<Send, UsageError> {
        if self.to.is_empty() && self.cc.is_empty() && self.bcc.is_empty() {
            return Err(UsageError::new("no recipients").hint("Name them with --to, --cc or --bcc."));
        }
        let html = text(self.html, self.html_file);
        let body = match (text(self.body, self.body_file), &html) {
            (Some(Text::Stdin), Some(Text::Stdin)) => {
                return Err(UsageError::new("--body-file and --html-file cannot both read standard input"));
            }
            (Some(text), _) => Body::Given(text),
            (None, None) => Body::Given(Text::Stdin),
            (None, Some(_)) => Body::Absent,
        };
        Ok(Send {
            from: self.from,
            to: self.to,
            cc: self.cc,
            bcc: self.bcc,
            reply_to: self.reply_to,
            envelope_from: self.envelope_from,
            subject: self.subject,
            body,
            html,
            attachments: self.attach,
            inline: self.inline,
            headers: self.header,
            dsn: Dsn {
                notify: self.dsn_notify.unwrap_or_default(),
                returned: self.dsn_return.unwrap_or_default(),
                envelope_id: self.dsn_envid,
            },
            deliver_by: self.deliver_by,
            hold: self.hold_for.or(self.hold_until),
            priority: self.mt_priority,
            way: if self.require_tls { Way::Tls } else { Way::Usual },
            xclient: self.xclient,
            servers: if self.direct { Servers::Exchangers } else { Servers::OfAccount },
            action: if self.dry_run { SendAction::Print } else { SendAction::Submit },
            format: format(self.json),
        })
    }
}

fn format(json: bool) -> Format {
    if json { Format::Json } else { Format::Text }
}

fn text(literal: Option<String>, file: Option<PathBuf>) -> Option<Text> {
    match (literal, file) {
        (Some(literal), _) => Some(Text::Literal(literal)),
        (None, Some(file)) if file.as_os_str() == "-" => Some(Text::Stdin),
        (None, Some(file)) => Some(Text::File(file)),
        (None, None) => None,
    }
}

/// Makes one line and a hint of clap's paragraphs, so that all errors look alike.
fn usage_error(error: &clap::Error, arguments: &[OsString]) -> UsageError {
    if matches!(error.kind(), ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) {
        return UsageError::new("a subcommand is missing").hint("`posthaste --help` lists subcommands and options.");
    }
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let message = paragraph.trim().trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    UsageError::new(message).hint(usage_hint(error, arguments))
}

fn usage_hint(error: &clap::Error, arguments: &[OsString]) -> String {
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| error.get(kind))
        .and_then(|value| match value {
            ContextValue::String(name) => Some(name),
            ContextValue::Strings(names) => names.first(),
            _ => None,
        });
    if let Some(name) = suggested {
        return format!("Did you mean `{name}`?");
    }
    let commands = Cli::command();
    let subcommand = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .find_map(|argument| commands.get_subcommands().map(clap::Command::get_name).find(|name| *name == argument));
    let unknown = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) => Some(argument.as_str()),
        _ => None,
    };
    match (subcommand, unknown) {
        (Some("send"), Some(argument)) if argument.starts_with('-') => {
            "`posthaste send --help` lists the options; a text that begins with a dash is joined to its option: \
             --subject='-5 degrees'."
                .to_owned()
        }
        (Some("send"), Some(argument)) if argument.contains('@') => "Recipients are named with --to.".to_owned(),
        (Some(name), _) => format!("`posthaste {name} --help` lists its options."),
        (None, _) => "`posthaste --help` lists subcommands and options.".to_owned(),
    }
}
