//! What a person reads: errors, transcript, JSON. The only place that prints, but for `main`.
//!
//! A closed standard output or error is no failure: there is nobody to tell.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use crate::check::{CertificateReport, RouteReport, ServerReport};
use crate::deliver::{Attempt, Outcome};
use crate::failure::{self, Failure};
use crate::identity::{self, Change};
use crate::net::Notice;
use crate::net::notice::{Dkim, Fields, Goal};
use crate::smtp::capabilities::Extension;
use crate::smtp::outcome::Verdict;
use crate::smtp::reply::{Reply, printable};

/// How errors are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One line for each failure: callers of sendmail log what they read.
    OneLine,
    /// The hint on a line of its own.
    Person,
    /// Nothing at all: `-oeq`.
    Quiet,
    /// On standard output, an object in JSON for each recipient, accepted or not: `--json`.
    Json,
}

/// Shows what became of a message. Success is silent, unless JSON is asked for.
///
/// # Errors
/// What the system says of standard output.
pub fn outcomes(outcomes: &[Outcome], style: Style) -> io::Result<()> {
    match style {
        Style::Json => output(&outcomes.iter().map(outcome_json).collect::<String>()),
        Style::OneLine | Style::Person | Style::Quiet => {
            failures(&failure::failures(outcomes), style);
            Ok(())
        }
    }
}

fn outcome_json(outcome: &Outcome) -> String {
    let (verdict, text) = verdict_text(&outcome.verdict, &outcome.server);
    let reply = match &outcome.verdict {
        Verdict::Accepted(reply) => Some(reply),
        Verdict::Deferred(trouble) | Verdict::Failed(trouble) => trouble.reply(),
    };
    let hint = match &outcome.verdict {
        Verdict::Accepted(_) => None,
        Verdict::Deferred(trouble) | Verdict::Failed(trouble) => failure::hint(outcome, trouble),
    };
    let mut object = serde_json::json!({
        "recipient": outcome.recipient.as_str(),
        "verdict": verdict,
        "server": outcome.server,
        "code": reply.map(Reply::code),
        "text": text,
        "hint": hint,
        "exit": failure::exit_of_verdict(&outcome.verdict).code(),
    });
    if !outcome.decisions.is_empty() {
        object["route"] = outcome.decisions.to_vec().into();
    }
    format!("{object}\n")
}

/// What rules have changed, as a diff for each of them; `head` is the header in the end.
pub fn changes(changes: &[Change], head: &[u8]) -> String {
    let mut text = String::new();
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| change.rule);
    let mut last = None;
    for change in sorted {
        if last.replace(change.rule) != Some(change.rule) {
            text.push_str(&format!("@@ {} @@\n", change.rule.name()));
        }
        for (sign, lines) in [('-', &change.before), ('+', &change.after)] {
            for line in lines.iter().flat_map(|lines| lines.trim_ascii_end().split(|octet| *octet == b'\n')) {
                text.push_str(&format!("{sign}{}\n", printable(line.trim_ascii_end()).replace("\\x09", "\t")));
            }
        }
    }
    if changes.is_empty() {
        text.push_str("# nothing is changed\n");
    }
    if identity::is_signed(head) {
        text.push_str("# no address in the header is changed, for it bears a DKIM signature\n");
    }
    text
}

/// Shows what went wrong.
pub fn failures(failures: &[Failure], style: Style) {
    let mut text = String::new();
    for failure in failures {
        let hint = match (&failure.hint, style) {
            (_, Style::Quiet) => continue,
            (None, _) => String::new(),
            (Some(hint), Style::OneLine) => format!(" (hint: {hint})"),
            (Some(hint), Style::Person | Style::Json) => format!("\n  hint: {hint}"),
        };
        let message = failure.message.trim_end();
        // A name of a file, or an argument, may have line ends in it.
        let message = if style == Style::OneLine { printable(message.as_bytes()) } else { message.to_owned() };
        text.push_str(&format!("posthaste: {message}{hint}\n"));
    }
    error_text(&text);
}

/// Text for standard error, in one write. Controls in it are escaped, but for line ends and tabs: names of files and
/// arguments are in errors, and somebody else may have made them to steer a terminal.
pub fn error_text(text: &str) {
    let plain = |octet: u8| matches!(octet, b' '..=b'~' | b'\n' | b'\t');
    let line = |line: &str| line.split('\t').map(|part| printable(part.as_bytes())).collect::<Vec<_>>().join("\t");
    let text = match text.bytes().all(plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n")),
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text for standard output: help, version, completions, a listing.
///
/// # Errors
/// What the system says, but for a reader who has gone away.
pub fn output(text: &str) -> io::Result<()> {
    output_octets(text.as_bytes())
}

/// Octets for standard output.
///
/// # Errors
/// As [`output`].
pub fn output_octets(octets: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(octets).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// What is known of how much a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// There are so many in all.
    Of(u64),
    /// So many of a hundred are done.
    Percent(u64),
    /// Nothing.
    Unknown,
}

/// Draws the last line of a terminal anew: so many messages, and how much of all that is. `None` takes it away.
pub fn progress(messages: Option<(u64, Share)>) {
    let noun = |count: u64| if count == 1 { "message" } else { "messages" };
    let text = messages.map(|(count, share)| match share {
        Share::Of(all) => format!("{count} of {all} {} done", noun(all)),
        Share::Percent(percent) => format!("{count} {} done, {percent} %", noun(count)),
        Share::Unknown => format!("{count} {} done", noun(count)),
    });
    let _ = io::stderr().lock().write_all(format!("\r\x1b[K{}", text.unwrap_or_default()).as_bytes());
}

/// Whether a person reads standard error.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A line of the transcript, in the format of the dialogue tests; verdicts are shown by [`verdict_line`].
pub fn transcript_line(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Connecting { server } => format!("-- connecting to {server}"),
        Notice::Connected { peer, local: Some(local) } => format!("-- connected to {peer} from {local}"),
        Notice::Connected { peer, local: None } => format!("-- connected to {peer}"),
        Notice::Secured(tls) => {
            let certificate = &tls.certificate;
            format!(
                "-- {}, {}, {}; certificate of {} by {} until {}, {}",
                tls.version,
                tls.cipher,
                tls.group,
                certificate.subject,
                certificate.issuer,
                certificate.not_after,
                tls.check
            )
        }
        Notice::Refused(certificate) => format!(
            "-- refused: certificate of {} by {} until {}, for {}; tls-pin = \"{}\"",
            certificate.subject,
            certificate.issuer,
            certificate.not_after,
            certificate.names.join(", "),
            certificate.pin
        ),
        Notice::Client(line) => format!("C: {line}"),
        Notice::Server(line) => format!("S: {line}"),
        Notice::Message(size) => format!("C: [message, {size} octets]"),
        Notice::Unserved(extension) => format!("-- {}", unserved(*extension)),
        Notice::Note(text) | Notice::Warning(text) => format!("-- {text}"),
        Notice::Reencoded(goal, size, dkim) => {
            let warning = match dkim {
                Dkim::None => String::new(),
                Dkim::Broken => format!("; {BROKEN_DKIM}"),
            };
            let where_to = match goal {
                Goal::Header(_, Fields::Ascii) => "an 8-bit header",
                Goal::Header(_, Fields::Utf8) => "a header that is no UTF-8",
                Goal::SevenBit | Goal::ShortLines | Goal::Lines => "8-bit content",
            };
            format!("-- re-encoded without {where_to}: {size} octets{warning}")
        }
        Notice::Closed => "-- closed".to_owned(),
        Notice::Verdict(..) | Notice::Handshake(_) => return None,
    })
}

/// Tells a person of something that is no failure.
pub fn note(text: &str) {
    error_text(&format!("posthaste: {text}\n"));
}

/// Tells a person that a wish is not fulfilled.
pub fn warning(extension: Extension) {
    note(&unserved(extension));
}

/// Tells a person that the message was re-encoded, and what that has broken.
pub fn broken_dkim() {
    error_text(&format!("posthaste: re-encoded because the server takes no 8-bit content: {BROKEN_DKIM}\n"));
}

/// RFC 6376 section 6.1.
const BROKEN_DKIM: &str = "its DKIM signature cannot be verified any more, and counts as none";

fn unserved(extension: Extension) -> String {
    let consequence = match extension {
        Extension::Dsn => "nobody asks it for notifications",
        Extension::DeliverBy => "it does not know by when the message is to be there",
        Extension::MtPriority => "the message has no priority",
        // Whoever wishes these insists.
        Extension::FutureRelease | Extension::RequireTls | Extension::Xclient => "the message is not sent",
    };
    format!("the server does not offer {}: {consequence}", extension.keyword())
}

fn certificate_text(certificate: &CertificateReport, check: &str) -> String {
    let CertificateReport { subject, issuer, names, not_after, pin } = certificate;
    let names = names.join(", ");
    format!(
        "  certificate: {subject}, by {issuer}, until {not_after}\n    for {names}; {check}\n    tls-pin = \"{pin}\"\n"
    )
}

/// The last lines of a transcript: what became of a recipient in this attempt.
pub fn verdict_line(attempt: &Attempt<'_>) -> String {
    let (verdict, text) = verdict_text(attempt.verdict, attempt.server);
    format!("= {} {verdict} {text}", attempt.recipient.as_str())
}

fn verdict_text(verdict: &Verdict, server: &str) -> (&'static str, String) {
    match verdict {
        Verdict::Accepted(reply) => ("accepted", reply.to_string()),
        Verdict::Deferred(trouble) => ("deferred", failure::what(trouble, server)),
        Verdict::Failed(trouble) => ("failed", failure::what(trouble, server)),
    }
}

/// A report of `posthaste route` for a person.
pub fn route_text(reports: &[RouteReport]) -> String {
    let mut text = String::new();
    for RouteReport { recipients, decisions, hosts, error, hint, .. } in reports {
        text.push_str(&format!("{}\n", recipients.join(", ")));
        decisions.iter().for_each(|decision| text.push_str(&format!("  {decision}\n")));
        for (at, host) in hosts.iter().enumerate() {
            let took = format!("{:.1} ms", host.took.as_secs_f64() * 1e3);
            let result = match (&host.peer, &host.error) {
                (Some(peer), _) => format!("{peer} listens, {took}; TLS {}", host.tls),
                (None, error) => error.clone().unwrap_or_default(),
            };
            text.push_str(&format!("  {}. {}: {result}\n", at + 1, host.server));
            host.hint.iter().for_each(|hint| text.push_str(&format!("     hint: {hint}\n")));
        }
        error.iter().for_each(|error| text.push_str(&format!("  FAILED: {error}\n")));
        hint.iter().for_each(|hint| text.push_str(&format!("  hint: {hint}\n")));
    }
    text
}

/// A report of `posthaste check` for a person.
pub fn check_text(account: &str, reports: &[ServerReport]) -> String {
    let mut text = String::new();
    for report in reports {
        text.push_str(&format!("{} (account {account})\n", report.server));
        for step in &report.steps {
            let took = format!("{:.1} ms", step.took.as_secs_f64() * 1e3);
            text.push_str(&format!("  {:<9} {took:>10}  {}\n", step.step, step.result));
        }
        if let Some(tls) = &report.tls {
            text.push_str(&certificate_text(&tls.certificate, tls.check));
        }
        if let Some(certificate) = &report.refused_certificate {
            text.push_str(&certificate_text(certificate, "REFUSED"));
        }
        if !report.capabilities.is_empty() {
            text.push_str("  capabilities:\n");
            report.capabilities.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
        }
        // Of a server that has not answered there are no limits to tell.
        if report.steps.iter().any(|step| step.step == "ehlo") {
            let size = report.max_size.map_or("of any size".to_owned(), |size| format!("of {size} octets"));
            let recipients = report.max_recipients;
            text.push_str(&format!("  limits: a message {size}, {recipients} recipients in one transaction\n"));
        }
        match (&report.error, &report.hint) {
            (None, _) => text.push_str("  ok: a message can be submitted\n"),
            (Some(error), None) => text.push_str(&format!("  FAILED: {error}\n")),
            (Some(error), Some(hint)) => text.push_str(&format!("  FAILED: {error}\n  hint: {hint}\n")),
        }
    }
    text
}
