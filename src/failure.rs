//! What an error means: exit code, words and hint. The only place that knows an exit code
//! (sysexits.h; each code's meaning is in posthaste(1), section EXIT STATUS).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::deliver::{Outcome, Whose};
use crate::hints;
use crate::smtp::capabilities::Extension;
use crate::smtp::outcome::{Cause, NoRouteKind, Trouble, Verdict};
use crate::smtp::question::Verb;
use crate::smtp::reply::Reply;
use crate::smtp::stage::Stage;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Success = 0,
    /// The command line cannot be used.
    Usage = 64,
    /// A recipient, an address in the header, or the message cannot be used.
    Data = 65,
    /// The server knows none of the refused recipients.
    NoUser = 67,
    /// The recipients' domain does not exist or takes no mail.
    NoHost = 68,
    /// The server refused for good.
    Unavailable = 69,
    /// A fault of this program.
    Software = 70,
    /// The operating system refused something that always works.
    System = 71,
    /// A file could not be made.
    CannotCreate = 73,
    /// The message could not be read, or output not written.
    Io = 74,
    /// Not now: trying again may help.
    TemporaryFailure = 75,
    /// Not allowed: the login was refused, or a file may not be read.
    NoPermission = 77,
    /// The configuration cannot be used.
    Config = 78,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Exit; 13] = [
        Exit::Success,
        Exit::Usage,
        Exit::Data,
        Exit::NoUser,
        Exit::NoHost,
        Exit::Unavailable,
        Exit::Software,
        Exit::System,
        Exit::CannotCreate,
        Exit::Io,
        Exit::TemporaryFailure,
        Exit::NoPermission,
        Exit::Config,
    ];

    /// What it means, in a line of help.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Success => "sent, or done",
            Exit::Usage => "the command line cannot be used, or names no recipient",
            Exit::Data => "an address or the message cannot be used",
            Exit::NoUser => "no such recipient",
            Exit::NoHost => "no such domain, or it takes no mail",
            Exit::Unavailable => "refused for good",
            Exit::Software => "a fault in posthaste",
            Exit::System => "the operating system refused what always works",
            Exit::CannotCreate => "a temporary file, a Maildir or a key cannot be made",
            Exit::Io => "the message cannot be read, or output cannot be written",
            Exit::TemporaryFailure => "not now: try again later (all trouble with TLS too)",
            Exit::NoPermission => "login refused, or the configuration may not be read",
            Exit::Config => "the configuration cannot be used, or there is none",
        }
    }

    /// The number for the caller.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Something that went wrong, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened: who, what, the server's own words.
    pub message: String,
    /// A cure, where one is known.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint. The number that the library puts behind the system's words is left out.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: without_numbers(message.into()), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Takes ` (os error 2)` out, behind "No such file or directory".
fn without_numbers(mut text: String) -> String {
    const BEGIN: &str = " (os error ";
    while let Some(start) = text.find(BEGIN) {
        let number = &text[start + BEGIN.len()..];
        let digits = number.len() - number.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 || !number[digits..].starts_with(')') {
            break;
        }
        text.replace_range(start..start + BEGIN.len() + digits + 1, "");
    }
    text
}

/// What a panic at this place in the source means. Its own words are not shown: they may hold anything, a password too.
pub fn of_panic(place: Option<&str>) -> Failure {
    let place = place.unwrap_or("a place that is not known");
    let message = format!("a fault of the program itself, at {place}; whether the message was sent is not known");
    Failure::new(Exit::Software, message).hint("Please report it, with this line.")
}

/// The exit code for what became of all recipients. Anything that may still succeed makes it a temporary failure,
/// because the caller can then try again without losing anything.
pub fn exit_of(outcomes: &[Outcome]) -> Exit {
    exit_of_all(&outcomes.iter().map(|outcome| exit_of_verdict(&outcome.verdict)).collect::<Vec<_>>())
}

/// The same of exit codes.
pub fn exit_of_all(exits: &[Exit]) -> Exit {
    let failed = || exits.iter().copied().filter(|exit| *exit != Exit::Success);
    for exit in [Exit::Config, Exit::NoPermission, Exit::TemporaryFailure] {
        if exits.contains(&exit) {
            return exit;
        }
    }
    match failed().next() {
        None => Exit::Success,
        Some(first) if failed().all(|exit| exit == first) => first,
        Some(_) => Exit::Unavailable,
    }
}

/// The exit code for one recipient alone. One that is deferred never has the code of a refusal, whatever the reply
/// was: the caller would give up what may still succeed.
pub fn exit_of_verdict(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Accepted(_) => Exit::Success,
        Verdict::Failed(trouble) => exit_of_trouble(trouble),
        Verdict::Deferred(trouble) => match exit_of_trouble(trouble) {
            exit @ (Exit::Config | Exit::NoPermission) => exit,
            _ => Exit::TemporaryFailure,
        },
    }
}

fn exit_of_trouble(trouble: &Trouble) -> Exit {
    match &trouble.cause {
        Cause::Replied(reply) => exit_of_reply(trouble.stage, reply),
        Cause::NoMechanism(_)
        | Cause::ClearTextLogin
        | Cause::LoginRefused(_)
        | Cause::TokenRefused { .. }
        | Cause::FalseServer
        | Cause::Unpreparable
        | Cause::NoPassword(_) => Exit::NoPermission,
        Cause::NoRoute(why) => match why.kind {
            NoRouteKind::NoDomain | NoRouteKind::NullMx => Exit::NoHost,
            NoRouteKind::Loop => Exit::Unavailable,
            NoRouteKind::Unknown | NoRouteKind::Untrusted => Exit::TemporaryFailure,
        },
        Cause::NoSuchHost(_) => Exit::Config,
        Cause::TooLarge { .. }
        | Cause::EightBit
        | Cause::CannotReencode(_)
        | Cause::Utf8Address
        | Cause::LineTooLong => Exit::Data,
        Cause::OthersRefused
        | Cause::NotOffered(_)
        | Cause::NoAttribute(_)
        | Cause::LongXclient
        | Cause::TlsOnTheWay
        | Cause::TooSoon { .. }
        | Cause::HeldTooLong { .. } => Exit::Unavailable,
        Cause::Malformed(_)
        | Cause::SessionFull
        | Cause::Unsolicited(_)
        | Cause::Injected
        | Cause::TooEarly(_)
        | Cause::Lost(_)
        | Cause::TimedOut
        | Cause::Stopped(_)
        | Cause::Unreachable(_)
        | Cause::Tls(_)
        | Cause::TlsNotOffered { .. }
        | Cause::Challenge(_)
        | Cause::Unreadable(_) => Exit::TemporaryFailure,
    }
}

fn exit_of_reply(stage: Stage, reply: &Reply) -> Exit {
    if reply.code() < 500 {
        return Exit::TemporaryFailure;
    }
    match (stage, reply.code(), reply.enhanced().map(|code| (code.subject, code.detail))) {
        // STARTTLS refused may be an attack or a fault that passes.
        (Stage::StartTls, ..) => Exit::TemporaryFailure,
        (Stage::Auth, ..) | (_, 530, _) => Exit::NoPermission,
        (_, 556, _) | (Stage::Rcpt, _, Some((1, 2 | 10))) => Exit::NoHost,
        (Stage::Rcpt | Stage::EndOfData | Stage::Data, 550 | 551 | 553, Some((1, _))) => Exit::NoUser,
        (Stage::Rcpt, 550 | 551 | 553, None) => Exit::NoUser,
        (_, 552, Some((3, 4) | (2, 3))) => Exit::Data,
        _ => Exit::Unavailable,
    }
}

/// The exit code for the answer to a question.
pub fn exit_of_answer(verb: Verb, reply: &Reply) -> Exit {
    match (verb, reply.code()) {
        (_, 200..300) => Exit::Success,
        // 459 is a refusal of this host, and not of the moment (RFC 1985 section 5.3).
        (Verb::StartQueue, 459) => Exit::Unavailable,
        (_, 400..500) => Exit::TemporaryFailure,
        (Verb::Verify | Verb::Expand, 550 | 551 | 553) => Exit::NoUser,
        (_, 530) => Exit::NoPermission,
        _ => Exit::Unavailable,
    }
}

/// An answer that is none.
pub fn of_answer(verb: Verb, reply: &Reply, server: &str) -> Failure {
    let trouble = Trouble { stage: Stage::Question, cause: Cause::Replied(reply.clone()) };
    let verb = verb.word();
    let message = match reply.code() {
        500 | 502 | 504 => format!("{server} does not answer {verb}: {reply}"),
        _ => format!("{server} refuses {verb}: {reply}"),
    };
    Failure { exit: Exit::Unavailable, message, hint: hints::for_trouble(&trouble, server) }
}

/// The failures among the outcomes, those of the same kind in one, in the order of the recipients.
pub fn failures(outcomes: &[Outcome]) -> Vec<Failure> {
    let mut groups: Vec<(&Outcome, &Trouble, Vec<&Outcome>)> = Vec::new();
    // By a hash of the words: a search in all groups takes minutes where 50,000 recipients have as many replies.
    let mut known: HashMap<u64, usize> = HashMap::new();
    for outcome in outcomes {
        let (Verdict::Deferred(trouble) | Verdict::Failed(trouble)) = &outcome.verdict else { continue };
        let mut hasher = DefaultHasher::new();
        (what(trouble, &outcome.server), &outcome.server).hash(&mut hasher);
        let at = *known.entry(hasher.finish()).or_insert(groups.len());
        match groups.get_mut(at).filter(|(first, seen, _)| *seen == trouble && first.server == outcome.server) {
            Some((_, _, members)) => members.push(outcome),
            None => groups.push((outcome, trouble, vec![outcome])),
        }
    }
    groups
        .into_iter()
        .map(|(first, trouble, members)| Failure {
            exit: exit_of_verdict(&first.verdict),
            message: format!("{}: {}", whom(&members, outcomes.len()), what(trouble, &first.server)),
            hint: hint(first, trouble),
        })
        .collect()
}

/// A hint for what became of a recipient, where one is known.
pub fn hint(outcome: &Outcome, trouble: &Trouble) -> Option<String> {
    match outcome.whose {
        Whose::Own => hints::for_trouble(trouble, &outcome.server),
        Whose::Exchanger => hints::for_exchanger(trouble, &outcome.server),
    }
}

fn whom(members: &[&Outcome], all: usize) -> String {
    const NAMED: usize = 5;
    if members.len() == all && all > 1 {
        return format!("all {all} recipients");
    }
    let names = members.iter().take(NAMED).map(|outcome| outcome.recipient.as_str()).collect::<Vec<_>>().join(", ");
    if members.len() > NAMED { format!("{names} and {} more", members.len() - NAMED) } else { names }
}

/// A trouble in words: what it means for the message, and who said what, where.
pub fn what(trouble: &Trouble, server: &str) -> String {
    let doing = trouble.stage.doing();
    if trouble.may_be_delivered() {
        return format!(
            "the message may have been delivered, and may not: {} after the message had been sent whole",
            match &trouble.cause {
                Cause::TimedOut => format!("no answer from {server}"),
                Cause::Lost(reason) => format!("the connection to {server} broke ({reason})"),
                Cause::Stopped(signal) => format!("no answer from {server} until {signal} ended posthaste,"),
                _ => format!("no usable answer from {server}"),
            }
        );
    }
    match &trouble.cause {
        Cause::Replied(reply) => {
            let verb = if reply.code() < 500 { "deferred" } else { "refused" };
            format!("{verb} by {server}: {reply} ({doing})")
        }
        Cause::Malformed(malformed) => format!("{server} sent {malformed} ({doing})"),
        Cause::Unsolicited(reply) => {
            format!("{server} sent a reply that nobody had asked for: {reply} ({})", behind(doing))
        }
        Cause::Injected => format!(
            "{server}: octets in the clear behind the reply to STARTTLS; somebody may be tampering with the connection"
        ),
        Cause::TooEarly(reply) => {
            format!("{server} answered before the message had been sent whole, so its answer means nothing: {reply}")
        }
        Cause::Lost(reason) => format!("the connection to {server} broke {}: {reason}", waiting(doing)),
        Cause::TimedOut => format!("{server} did not answer in time {}", waiting(doing)),
        Cause::Stopped(signal) => format!("not sent: {signal} ended posthaste {} ({server})", waiting(doing)),
        // A server that is configured by its address has no other, which need not be said twice.
        Cause::Unreachable(reason) => {
            let reason = reason.strip_prefix(server).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(reason);
            format!("{server} cannot be reached: {reason}")
        }
        Cause::NoSuchHost(reason) => reason.clone(),
        Cause::NoRoute(why) => format!("{} ({})", why.words, why.code()),
        Cause::Tls(reason) => format!("no TLS with {server}: {reason}"),
        Cause::TlsNotOffered { .. } => format!("{server} does not offer STARTTLS, and TLS is required"),
        Cause::NoMechanism(offered) if offered.is_empty() => {
            format!("{server} offers no login, and the account has one")
        }
        Cause::NoMechanism(offered) => {
            format!("{server} offers no login that this account may use (it offers {})", offered.join(", "))
        }
        Cause::ClearTextLogin => {
            format!("no login to {server}: the connection is not protected, so the password is not sent")
        }
        Cause::Challenge(reason) => format!("login to {server} given up: {reason}"),
        Cause::TokenRefused { reply, complaint } if complaint.is_empty() => {
            format!("access token refused by {server}: {reply} ({doing})")
        }
        Cause::TokenRefused { reply, complaint } => {
            format!("access token refused by {server}: {complaint}; {reply} ({doing})")
        }
        Cause::LoginRefused(word) => format!("login refused by {server}: {word}"),
        Cause::FalseServer => {
            format!(
                "{server} did not prove that it knows the password, so it may be another server; nothing was sent to it"
            )
        }
        Cause::Unpreparable => format!(
            "no login to {server}: the user name or the password has a character that the mechanism cannot carry"
        ),
        Cause::NoPassword(reason) => format!("no login to {server}: no password: {reason}"),
        Cause::TooLarge { size, limit } => {
            format!("the message has {size} octets, and {server} takes no more than {limit} (5.3.4)")
        }
        Cause::EightBit => format!("the message has 8-bit content, and {server} does not take it (5.6.3)"),
        Cause::CannotReencode(reason) => {
            format!("{server} does not take 8-bit content, and the message cannot be re-encoded: {reason} (5.6.3)")
        }
        Cause::Utf8Address => {
            let whose = if trouble.stage == Stage::Mail { "sender's" } else { "recipient's" };
            format!("the {whose} address is not ASCII, and {server} does not offer SMTPUTF8 (5.6.7)")
        }
        Cause::NotOffered(extension) => {
            let code = if *extension == Extension::RequireTls { "5.7.30" } else { "5.3.3" };
            format!("{} is wished, and {server} does not offer {} ({code})", wished(*extension), extension.keyword())
        }
        Cause::NoAttribute(name) => format!("{server} takes no {name} by XCLIENT (5.3.3)"),
        Cause::LongXclient => "the attributes for XCLIENT are too long for a command line (5.5.4)".to_owned(),
        Cause::TlsOnTheWay => {
            format!("TLS all the way is wished, and there is none with a verified certificate to {server} (5.7.10)")
        }
        Cause::TooSoon { least } => {
            format!("{server} wants {least} seconds at least to deliver a message or return it (5.5.4)")
        }
        Cause::HeldTooLong { most } => format!("{server} holds no message longer than {most} (5.5.4)"),
        Cause::SessionFull => format!("{server} takes no more in one session (LIMITS)"),
        Cause::LineTooLong => "the address is too long for a command line (5.1.3)".to_owned(),
        Cause::Unreadable(reason) => format!("the message cannot be read to its end: {reason}"),
        Cause::OthersRefused => "not sent because another recipient was refused (partial = \"all-or-none\")".to_owned(),
    }
}

/// What was done, where one reply too many came.
fn behind(doing: &str) -> String {
    doing
        .replacen("in reply to", "after the reply to", 1)
        .replacen("while waiting for the greeting", "after the greeting", 1)
        .replacen("during", "after", 1)
}

fn wished(extension: Extension) -> &'static str {
    match extension {
        Extension::Dsn => "a notification",
        Extension::DeliverBy => "delivery by a certain time or not at all",
        Extension::FutureRelease => "delivery at a later time",
        Extension::MtPriority => "a priority",
        Extension::RequireTls => "TLS all the way",
        Extension::Xclient => "another client",
    }
}

/// What is being done, where no reply came.
fn waiting(doing: &str) -> String {
    doing.replacen("in reply to", "while waiting for the reply to", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::smtp::reply::Reader;

    fn refused(number: usize, text: &str) -> Outcome {
        let mut reader = Reader::default();
        reader.push(text.as_bytes());
        let reply = reader.next_reply().unwrap().unwrap();
        Outcome {
            recipient: Address::parse(&format!("user{number}@x.test")).unwrap(),
            verdict: Trouble { stage: Stage::Rcpt, cause: Cause::Replied(reply) }.verdict(),
            server: "mx.test:25".to_owned(),
            whose: Whose::Own,
            decisions: Default::default(),
        }
    }

    /// Servers name the recipient in the reply. This took half a minute once.
    #[test]
    fn many_refusals_are_told_in_the_order_of_the_recipients() {
        let outcomes: Vec<_> = (0..50_000)
            .map(|number| refused(number, &format!("550 5.1.1 number {} is unknown\r\n", number / 2 % 20_000)))
            .collect();
        let told = failures(&outcomes);
        assert_eq!(told.len(), 20_000);
        for (number, failure) in told.iter().enumerate() {
            assert!(failure.message.starts_with(&format!("user{}@x.test, user{}@", 2 * number, 2 * number + 1)));
            assert!(failure.message.contains(&format!("number {number} is")));
        }
    }

    /// P-124 P-125 P-126 P-301
    #[test]
    fn answers_have_exit_codes() {
        for (verb, text, exit) in [
            (Verb::Verify, "250 x", Exit::Success),
            (Verb::Verify, "251 x", Exit::Success),
            (Verb::Verify, "252 x", Exit::Success),
            (Verb::Verify, "550 x", Exit::NoUser),
            (Verb::Verify, "551 x", Exit::NoUser),
            (Verb::Verify, "553 x", Exit::NoUser),
            (Verb::Verify, "502 x", Exit::Unavailable),
            (Verb::Expand, "504 x", Exit::Unavailable),
            (Verb::Help, "211 x", Exit::Success),
            (Verb::Help, "504 x", Exit::Unavailable),
            (Verb::StartQueue, "251 x", Exit::Success),
            (Verb::StartQueue, "458 x", Exit::TemporaryFailure),
            (Verb::StartQueue, "459 x", Exit::Unavailable),
            (Verb::StartQueue, "500 x", Exit::Unavailable),
        ] {
            let mut reader = Reader::default();
            reader.push(format!("{text}\r\n").as_bytes());
            let reply = reader.next_reply().unwrap().unwrap();
            assert_eq!(exit_of_answer(verb, &reply), exit, "{verb:?} {text}");
        }
    }

    const SERVER: &str = "192.0.2.1:587";

    fn words(stage: Stage, cause: Cause) -> String {
        what(&Trouble { stage, cause }, SERVER)
    }

    #[test]
    fn a_connection_that_breaks_is_told_in_whole_sentences() {
        let lost = || Cause::Lost("the server closed the connection".to_owned());
        assert_eq!(
            words(Stage::Rcpt, lost()),
            "the connection to 192.0.2.1:587 broke while waiting for the reply to RCPT TO: the server closed the connection"
        );
        assert_eq!(
            words(Stage::EndOfData, lost()),
            "the message may have been delivered, and may not: the connection to 192.0.2.1:587 broke (the server closed \
             the connection) after the message had been sent whole"
        );
        assert_eq!(
            words(Stage::Mail, Cause::TimedOut),
            "192.0.2.1:587 did not answer in time while waiting for the reply to MAIL FROM"
        );
    }

    #[test]
    fn the_numbers_of_the_system_are_not_shown() {
        let message = |text: &str| Failure::new(Exit::Io, text).message;
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(message(&format!("cannot read a: {error}")), "cannot read a: No such file or directory");
        assert_eq!(message(&format!("{error}; {error}")), "No such file or directory; No such file or directory");
        assert_eq!(message("cannot read x (os error y)"), "cannot read x (os error y)");
    }

    #[test]
    fn an_address_is_not_said_twice() {
        let words = |reason: &str| words(Stage::Connect, Cause::Unreachable(reason.to_owned()));
        assert_eq!(words("192.0.2.1:587: Connection refused"), "192.0.2.1:587 cannot be reached: Connection refused");
        assert_eq!(
            words("[2001:db8::1]:587: No route to host"),
            "192.0.2.1:587 cannot be reached: [2001:db8::1]:587: No route to host"
        );
    }
}
