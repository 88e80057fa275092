//! The flow from arguments to exit code, one function for each kind of call.

mod ask;
mod batch;
mod dkim;
mod identity;
mod recipients;
mod rewrite;
mod route;
mod send;
mod sign;
mod stdio;
mod submit;
#[cfg(feature = "sink")]
mod test_server;
mod tlsrpt;
mod unsent;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::future::Future;
use std::mem::ManuallyDrop;

use tokio::runtime::{LocalOptions, LocalRuntime};

use crate::cli::values::{Check, Format};
use crate::cli::{self, Face, Global, Invocation, Verbosity};
use crate::config::account::{Account, Log};
use crate::config::{Choice, Config, ConfigError, Environment, Kind, load};
use crate::deliver::{Attempt, Witness};
use crate::failure::{Exit, Failure};
use crate::net::drive::Detail;
use crate::net::tls::UnusableTls;
use crate::net::{Notice, stop};
use crate::report::{self, Style};
use crate::system::{self, Identity};
use crate::{check, failure};

/// Runs the program; the exit code is for `main`.
pub fn run(argv: Vec<OsString>) -> u8 {
    let face = cli::face(&argv);
    if let Err(failures) = refuse_rights() {
        report::failures(&failures, Style::OneLine);
        return failures.first().map_or(Exit::Software, |failure| failure.exit).code();
    }
    let (global, invocation) = match cli::parse(argv) {
        Ok(parsed) => parsed,
        Err(error) => {
            let failure = Failure { exit: Exit::Usage, message: error.message, hint: error.hint };
            let style = match face {
                Face::Sendmail => {
                    unsent::record(&Global::default(), std::slice::from_ref(&failure));
                    Style::OneLine
                }
                Face::Posthaste => Style::Person,
            };
            report::failures(std::slice::from_ref(&failure), style);
            return failure.exit.code();
        }
    };
    let style = match &invocation {
        Invocation::Sendmail(call) if call.errors == cli::submission::Errors::Quiet => Style::Quiet,
        // Who asks for that reads the lines of the file.
        Invocation::CheckConfig => Style::Person,
        _ => match face {
            Face::Sendmail => Style::OneLine,
            Face::Posthaste => Style::Person,
        },
    };
    let submits = matches!(invocation, Invocation::Sendmail(_) | Invocation::SmtpOnStdio);
    let done = match invocation {
        Invocation::Sendmail(call) => submit::sendmail(&global, &call),
        Invocation::Send(call) => send::send(&global, &call),
        Invocation::Batch(call) => batch::batch(&global, *call),
        Invocation::Rewrite(call) => rewrite::rewrite(&global, &call),
        Invocation::Route(call) => route::route(&global, &call),
        Invocation::Check(call) => check_servers(&global, call),
        Invocation::Ask(call) => ask::ask(&global, &call),
        Invocation::Dkim(call) => dkim::dkim(&global, &call),
        Invocation::TlsReport(call) => tlsrpt::tlsrpt(&global, &call),
        #[cfg(feature = "sink")]
        Invocation::Sink(call) => test_server::sink(&call),
        #[cfg(feature = "sink")]
        Invocation::Demo => test_server::demo(),
        Invocation::Completions(shell) => print(&cli::generate::script(shell)),
        Invocation::Text(text) => print(&text),
        Invocation::QueueListing => print("Mail queue is empty\n"),
        Invocation::QueueCount => print("0\n"),
        // There is no queue, so nothing waits in it.
        Invocation::Flush(_) => Ok(Exit::Success),
        Invocation::CheckConfig => configuration(&global, style)
            .and_then(|config| account(&config, &global, None, Log::None, style))
            .and_then(|account| usable_files(&account))
            .map(|()| Exit::Success),
        Invocation::SmtpOnStdio => stdio::serve(&global),
        Invocation::Verify { recipients, recipients_from } => recipients::verify(&global, &recipients, recipients_from),
        Invocation::Aliases { file } => recipients::check_aliases(&global, file.as_deref()),
    };
    let exit = match done {
        Ok(exit) => exit,
        Err(failures) => {
            report::failures(&failures, style);
            if submits {
                unsent::record(&global, &failures);
            }
            failures.first().map_or(Exit::Software, |failure| failure.exit)
        }
    };
    // A message that was accepted is a success all the same: a caller who sees a failure sends again.
    if exit != Exit::Success {
        stop::end_by_signal();
    }
    exit.code()
}

/// Nobody gets rights of another user or group by this program. A caller may have them, and then neither the environment nor
/// the command line chooses files.
fn refuse_rights() -> Result<(), Vec<Failure>> {
    if system::identity() == Identity::Plain {
        return Ok(());
    }
    let Some(path) = system::set_id_program() else { return Ok(()) };
    let path = path.display();
    let failure = Failure::new(Exit::NoPermission, format!("{path} is setuid or setgid, and must not be"));
    Err(vec![failure.hint(format!("Run: chmod ug-s {path}"))])
}

/// Tells of a panic at this place in the source; the exit code is for `main`.
pub fn panicked(place: Option<&str>) -> u8 {
    let failure = failure::of_panic(place);
    report::failures(std::slice::from_ref(&failure), Style::OneLine);
    failure.exit.code()
}

/// What a call ends with: an exit code whose reasons were told already, or reasons that are still to be told.
type Done = Result<Exit, Vec<Failure>>;

fn fail(exit: Exit, message: impl Into<String>) -> Vec<Failure> {
    vec![Failure::new(exit, message)]
}

fn print(text: &str) -> Done {
    report::output(text).map_err(unwritable)?;
    Ok(Exit::Success)
}

fn unwritable(error: std::io::Error) -> Vec<Failure> {
    fail(Exit::Io, format!("cannot write to standard output: {error}"))
}

fn configuration(global: &Global, style: Style) -> Result<Config, Vec<Failure>> {
    if global.config.is_some() && system::identity() == Identity::Changed {
        return Err(fail(Exit::NoPermission, "--config is not for a process with rights of another user or group"));
    }
    load(&Environment::of_process(), global.config.as_deref()).map_err(|error| config_failure(&error, style))
}

fn account(
    config: &Config,
    global: &Global,
    sender: Option<&str>,
    log: Log,
    style: Style,
) -> Result<Account, Vec<Failure>> {
    let choice = Choice { name: global.account.as_deref(), sender, log };
    config.account(choice).map_err(|error| config_failure(&error, style))
}

/// A person sees the line of the file; a caller of sendmail, who logs what it reads, gets one line.
fn config_failure(error: &ConfigError, style: Style) -> Vec<Failure> {
    let exit = match error.kind() {
        Kind::Unreadable => Exit::NoPermission,
        Kind::Missing | Kind::Exposed | Kind::Invalid | Kind::NoAccount => Exit::Config,
    };
    vec![match style {
        Style::Person | Style::Json => Failure { exit, message: error.report(), hint: None },
        Style::OneLine | Style::Quiet => {
            let hint = error.hint().map(|hint| hint.replacen(":\n", ": ", 1).replace('\n', "; "));
            Failure { exit, message: error.to_string(), hint }
        }
    }]
}

fn tls_failure(error: UnusableTls) -> Vec<Failure> {
    fail(Exit::Config, error.to_string())
}

thread_local! {
    /// One thread, with sockets and a clock, built only when something is to be sent.
    ///
    /// It is never taken down: the process is about to end then. A look-up that nobody waits for any more must not hold that
    /// up, and what the runtime has open is closed by the system at a lower price.
    static RUNTIME: OnceCell<ManuallyDrop<LocalRuntime>> = const { OnceCell::new() };
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Vec<Failure>> {
    RUNTIME.with(|cell| {
        if cell.get().is_none() {
            // A runtime of this kind alone leaves that of many threads, which hickory asks for, out of the program.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .map_err(|error| fail(Exit::System, format!("cannot start: {error}")))?;
            let _ = cell.set(ManuallyDrop::new(runtime));
        }
        match cell.get() {
            Some(runtime) => Ok(runtime.block_on(work)),
            None => Err(fail(Exit::Software, "cannot start")),
        }
    })
}

fn check_servers(global: &Global, call: Check) -> Done {
    let config = configuration(global, Style::Person)?;
    let mut account = account(&config, global, None, Log::None, Style::Person)?;
    account.xclient = call.xclient;
    let mut transcript = Transcript::of(global);
    let reports = block_on(check::check(&account, &mut transcript))?.map_err(tls_failure)?;
    let text = match call.format {
        Format::Text => report::check_text(&account.name, &reports),
        Format::Json => reports
            .iter()
            .map(|report| serde_json::to_string(report).map(|line| line + "\n"))
            .collect::<Result<String, _>>()
            .map_err(|error| fail(failure::Exit::Software, error.to_string()))?,
    };
    print(&text)?;
    let trouble = reports.iter().map(|report| report.exit).find(|exit| *exit != Exit::Success);
    match (trouble, usable_files(&account)) {
        (None, done) => done.map(|()| Exit::Success),
        (Some(exit), Ok(())) => Ok(exit),
        (Some(exit), Err(failures)) => {
            report::failures(&failures, Style::Person);
            Ok(exit)
        }
    }
}

/// Whether the files that every message of an account needs can be used.
fn usable_files(account: &Account) -> Result<(), Vec<Failure>> {
    let tried = [recipients::usable_aliases(account), sign::usable_keys(account)];
    let failures: Vec<Failure> = tried.into_iter().filter_map(Result::err).flatten().collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Shows the dialogue, if it is asked for.
struct Transcript {
    verbosity: Verbosity,
    show: fn(&str),
    /// Whose session it is, where there are several at the same time.
    server: Option<String>,
}

impl Transcript {
    /// On standard error.
    fn of(global: &Global) -> Self {
        Transcript { verbosity: global.verbosity, show: report::error_text, server: None }
    }

    fn detail(&self) -> Detail {
        match self.verbosity {
            Verbosity::Errors => Detail::Brief,
            Verbosity::Dialogue => Detail::Full,
        }
    }
}

impl Transcript {
    fn line(&self, line: &str) {
        match &self.server {
            None => (self.show)(&format!("{line}\n")),
            Some(server) => (self.show)(&format!("{server} | {line}\n")),
        }
    }
}

impl Witness for Transcript {
    fn session(&mut self, server: Option<&str>) {
        if self.verbosity == Verbosity::Dialogue {
            self.server = server.map(str::to_owned);
        }
    }

    fn notice(&mut self, notice: Notice) {
        if self.verbosity == Verbosity::Dialogue
            && let Some(line) = report::transcript_line(&notice)
        {
            self.line(&line);
        }
    }

    fn attempt(&mut self, attempt: &Attempt<'_>) {
        if self.verbosity == Verbosity::Dialogue {
            self.line(&report::verdict_line(attempt));
        }
    }
}
