//! A message on standard input, on its way: the sendmail face.

use std::cell::LazyCell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;

use super::identity::{first, named, tell, with_aliases};
use super::recipients::expanded;
use super::sign::Signatures;
use super::{Done, Transcript, account, block_on, configuration, fail, tls_failure, unwritable};
use crate::address::{Address, parse_list};
use crate::cli::Global;
use crate::cli::submission::{self, HeaderFixes, RecipientsFrom, Submission};
use crate::config::account::{self as settings, Account, Log};
use crate::deliver::{Attempt, Job, Outcome, Witness, deliver};
use crate::envelope::{Dsn, Envelope, ReversePath, Wishes};
use crate::failure::{Exit, Failure, exit_of};
use crate::identity::{self, Change, Rule, Scope, difference};
use crate::log;
use crate::message::incoming::{End, Incoming, LoneDot, ReadError, read};
use crate::message::prepare::{
    Caller, FixUps, Identity, LongLines, PrepareError, Prepared, Recipients, Rules, Sender, local_time, prepare,
};
use crate::message::{Facts, Message, More, Source as _};
use crate::net::Notice;
use crate::net::drive::Detail;
use crate::net::notice::Dkim;
use crate::net::stop::Stop;
use crate::net::tls::Connectors;
use crate::report::{self, Style};
use crate::route::Guide;
use crate::smtp::capabilities::Extension;
use crate::system::{Machine, User};

/// `sendmail`: reads all of the message before anything is opened, then submits it.
pub(super) fn sendmail(global: &Global, call: &Submission) -> Done {
    let style = match call.errors {
        submission::Errors::Quiet => Style::Quiet,
        submission::Errors::Print => Style::OneLine,
    };
    let Assembled { account, sender, recipients, message, changes, end } =
        assemble(global, call, Log::Syslog, style, Record::Rules)?;
    let mut transcript = Transcript::of(global);
    call.warnings.iter().for_each(|warning| transcript.notice(Notice::Note(warning.clone())));
    tell(&mut transcript, &changes);
    let note = (end == End::DotWithMore).then_some(CUT);
    note.iter().for_each(|note| transcript.notice(Notice::Note((*note).to_owned())));
    let Found::Some(recipients) = recipients else {
        if let Found::Nobody = recipients {
            transcript.notice(Notice::Note("every recipient is an alias for nobody, so nothing is sent".to_owned()));
            return Ok(Exit::Success);
        }
        return Err(nobody());
    };
    let envelope = envelope(sender, recipients)?.wishing(Wishes { dsn: dsn(&call.dsn, &account), ..Wishes::default() });
    submit(global, &account, &envelope, message, note, style)
}

/// The caller forgot `-i`, most likely, and somebody will look for the rest.
const CUT: &str = "a line with only a dot has ended the message, and what stood behind it is lost; see -i";

/// A call of sendmail, ready to be sent.
pub(super) struct Assembled {
    pub(super) account: Account,
    pub(super) sender: ReversePath,
    pub(super) recipients: Found,
    pub(super) message: Message,
    /// What was changed on the way, in the order of the rules; as much as was asked for.
    pub(super) changes: Vec<Change>,
    /// What ended the message.
    pub(super) end: End,
}

/// Who gets a message.
pub(super) enum Found {
    /// These.
    Some(Vec<Address>),
    /// Those who were named are aliases for nobody.
    Nobody,
    /// Nobody was named.
    None,
}

/// Which changes are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Those by the rules of identity.
    Rules,
    /// All.
    All,
}

/// Does all that comes before a connection.
pub(super) fn assemble(
    global: &Global,
    call: &Submission,
    log: Log,
    style: Style,
    record: Record,
) -> Result<Assembled, Vec<Failure>> {
    let config = configuration(global, style)?;
    let domain = config.mail_domain().to_owned();
    let mut identity = who(&domain);
    let given = call.sender.as_deref().map(|text| reverse_path(text, &domain)).transpose()?;
    let is_given = given.is_some();
    let chosen_by = match &given {
        Some(path) => path.as_str().to_owned(),
        None => caller(&identity)?.as_str().to_owned(),
    };
    let account = account(&config, global, Some(&chosen_by), log, style)?;
    identity.mail_domain.clone_from(&account.mail_domain);
    let named = named(given, &account, &identity)?;
    let sender = first(named.as_ref(), &identity)?;
    let mut recipients = Vec::new();
    for text in &call.recipients {
        let list = parse_list(text, &account.mail_domain).map_err(|error| fail(Exit::Data, error.to_string()))?;
        recipients.extend(list.into_iter().map(|mailbox| mailbox.address));
    }
    let dots = match call.lone_dot {
        submission::LoneDot::Ends => LoneDot::Ends,
        submission::LoneDot::IsText => LoneDot::IsText,
    };
    let (incoming, mut changes) = match call.header {
        HeaderFixes::All => with_aliases(read(stdin()?, dots).map_err(read_failure)?, &account, call.aliases)?,
        HeaderFixes::BccOnly => (read(stdin()?, dots).map_err(read_failure)?, Vec::new()),
    };
    let end = incoming.end();
    let header = (record == Record::All).then(|| incoming.header().to_vec());
    let rules = Rules {
        identity: &identity,
        sender: named.as_ref().map_or(Sender::Caller, Sender::Given),
        name: call.full_name.as_deref(),
        recipients: match call.recipients_from {
            RecipientsFrom::Arguments => Recipients::Arguments,
            RecipientsFrom::ArgumentsAndHeader => Recipients::Header,
        },
        fix_ups: match call.header {
            HeaderFixes::All => FixUps::All,
            HeaderFixes::BccOnly => FixUps::OnlyBcc,
        },
        long_lines: long_lines(&account),
        charset: &account.charset,
        clock: local_time,
    };
    let Prepared { message, recipients: from_header } = prepared(incoming, &rules)?;
    recipients.extend(from_header);
    let before = if record == Record::All { recipients.clone() } else { Vec::new() };
    let nobody_was_named = recipients.is_empty();
    let recipients = expanded(recipients, &account, call.aliases)?;
    if let Some(header) = header {
        changes.extend(Change::of_recipients(Rule::Aliases, &before, &recipients));
        if let (false, Some(own)) = (is_given, &named) {
            changes.push(Change::of_sender(Rule::From, &first(None, &identity)?, own));
        }
        changes.extend(difference(Rule::Header, &header, message.head()));
    }
    let scope = match call.header {
        HeaderFixes::All => Scope::All,
        HeaderFixes::BccOnly => Scope::Envelope,
    };
    let rewritten = identity::Rules::of(&account, &identity).rewrite(sender, message, scope);
    changes.extend(rewritten.changes);
    let recipients = match (recipients.is_empty(), nobody_was_named) {
        (false, _) => Found::Some(recipients),
        (true, false) => Found::Nobody,
        (true, true) => Found::None,
    };
    Ok(Assembled { account, sender: rewritten.sender, recipients, message: rewritten.message, changes, end })
}

/// Prints a message as it would be sent.
pub(super) fn print_message(message: &mut Message) -> Result<(), Vec<Failure>> {
    let unreadable = |error: std::io::Error| fail(Exit::Io, format!("cannot read the message again: {error}"));
    message.rewind().map_err(unreadable)?;
    let mut block = Vec::new();
    loop {
        block.clear();
        let more = message.read_block(&mut block).map_err(unreadable)?;
        report::output_octets(&block).map_err(unwritable)?;
        if more == More::No {
            return Ok(());
        }
    }
}

/// An envelope, or why there is none.
pub(super) fn envelope(sender: ReversePath, recipients: Vec<Address>) -> Result<Envelope, Vec<Failure>> {
    Envelope::new(sender, recipients).map_err(|_| nobody())
}

fn nobody() -> Vec<Failure> {
    vec![Failure::new(Exit::Usage, "no recipients").hint("Name them as arguments, or in the header with -t.")]
}

/// What is wished of notifications in the end.
pub(super) fn dsn(call: &submission::Dsn, account: &Account) -> Dsn {
    let submission::Dsn { notify, returned, envelope_id } = call.clone();
    Dsn { notify: notify.or(account.dsn.notify.clone()), returned: returned.or(account.dsn.returned), envelope_id }
}

/// Envelope and message to the account's servers, and what came of it on standard error.
pub(super) fn submit(
    global: &Global,
    account: &Account,
    envelope: &Envelope,
    message: Message,
    note: Option<&'static str>,
    style: Style,
) -> Done {
    let (outcomes, stop) = hand_over(global, account, envelope, message, note, style)?;
    // A signal has nothing to end any more, and would make a failure of a message that was accepted.
    let _ = ManuallyDrop::new(stop);
    // Output that cannot be written does not change what became of the message: a caller who sees a failure sends again.
    if let Err(error) = report::outcomes(&outcomes, style) {
        report::failures(&unwritable(error), style);
    }
    Ok(exit_of(&outcomes))
}

/// Envelope and message to the account's servers; each attempt is logged, with a note on the message if there is one. As
/// long as what comes back with the outcomes lives, signals do not end the process.
pub(super) fn hand_over(
    global: &Global,
    account: &Account,
    envelope: &Envelope,
    mut message: Message,
    note: Option<&'static str>,
    style: Style,
) -> Result<(Vec<Outcome>, Stop), Vec<Failure>> {
    let signatures = Signatures::of(account, global, style)?;
    signatures.sign(&mut message)?;
    let facts = *message.facts();
    check_size(&facts, account)?;
    let transcript = Transcript::of(global);
    let detail = transcript.detail();
    let submission = log::Submission { account: &account.name, sender: envelope.sender(), size: facts.size, note };
    let mut told = Told::new(transcript, account, submission, style);
    let connectors = &Connectors::default();
    let signer = signatures.signer();
    let guide = &Guide::new(account);
    let job = Job { account, envelope, facts, detail, message: &message, signer, connectors, guide, stop: None };
    block_on(async {
        let stop = Stop::by_signals();
        let done = deliver(&Job { stop: Some(&stop), ..job }, None, &mut told).await;
        done.map(|outcomes| (outcomes, stop))
    })?
    .map_err(tls_failure)
}

/// Whether the account sends messages of this size.
pub(super) fn check_size(facts: &Facts, account: &Account) -> Result<(), Vec<Failure>> {
    match account.max_size {
        Some(limit) if facts.size > limit => {
            Err(fail(Exit::Data, format!("the message has {} octets, and max-size is {limit}", facts.size)))
        }
        _ => Ok(()),
    }
}

/// Shows what happens, and logs it.
pub(super) struct Told<'a> {
    transcript: Transcript,
    log: log::Log,
    submission: log::Submission<'a>,
    style: Style,
    /// What a person was told already.
    warned: Vec<Extension>,
}

impl<'a> Told<'a> {
    pub(super) fn new(
        transcript: Transcript,
        account: &Account,
        submission: log::Submission<'a>,
        style: Style,
    ) -> Told<'a> {
        Told { transcript, log: open_log(account, style), submission, style, warned: Vec::new() }
    }
}

impl Witness for Told<'_> {
    fn session(&mut self, server: Option<&str>) {
        self.transcript.session(server);
    }

    fn message(&mut self, size: u64) {
        self.submission.size = size;
    }

    fn notice(&mut self, notice: Notice) {
        let is_for_person =
            matches!(self.style, Style::Person | Style::Json) && self.transcript.detail() == Detail::Brief;
        if is_for_person && matches!(notice, Notice::Reencoded(.., Dkim::Broken)) {
            report::broken_dkim();
        }
        // A caller of sendmail takes any output for a failure; the transcript has the line anyway.
        if let Notice::Unserved(extension) = &notice
            && is_for_person
            && !self.warned.contains(extension)
        {
            self.warned.push(*extension);
            report::warning(*extension);
        }
        if let Notice::Warning(text) = &notice
            && is_for_person
        {
            report::note(text);
        }
        self.transcript.notice(notice);
    }

    fn attempt(&mut self, attempt: &Attempt<'_>) {
        self.transcript.attempt(attempt);
        if let Err(unlogged) = self.log.record(&self.submission, attempt) {
            self.log = without_log(&unlogged, self.style);
        }
    }
}

fn open_log(account: &Account, style: Style) -> log::Log {
    log::Log::open(&account.log, &log::Sockets::default()).unwrap_or_else(|unlogged| without_log(&unlogged, style))
}

/// The delivery goes on without a log. A person is told so once; a caller of sendmail is not, since cron would send
/// a mail about it.
fn without_log(unlogged: &log::Unlogged, style: Style) -> log::Log {
    if matches!(style, Style::Person | Style::Json) {
        report::failures(&[Failure::new(Exit::Io, unlogged.to_string())], Style::OneLine);
    }
    log::Log::nobody()
}

/// The address of whoever calls.
pub(super) fn caller(identity: &Identity) -> Result<Address, Vec<Failure>> {
    identity.address().map_err(|error| fail(Exit::Data, error.to_string()))
}

/// Who calls, on which machine.
pub(super) fn who(mail_domain: &str) -> Identity {
    Identity {
        caller: LazyCell::new(this_user),
        mail_domain: mail_domain.to_owned(),
        host: LazyCell::new(|| Machine::default().host_name()),
    }
}

fn this_user() -> Caller {
    let user = User::current();
    let full_name = std::env::var("NAME").ok().filter(|name| !name.is_empty()).or(user.full_name);
    Caller { login: user.login, full_name }
}

pub(super) fn reverse_path(text: &str, mail_domain: &str) -> Result<ReversePath, Vec<Failure>> {
    ReversePath::parse(text, mail_domain)
        .map_err(|error| fail(Exit::Usage, format!("the sender cannot be used: {error}")))
}

pub(super) fn stdin() -> Result<File, Vec<Failure>> {
    std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| fail(Exit::Io, format!("cannot read standard input: {error}")))
}

pub(super) fn long_lines(account: &Account) -> LongLines {
    match account.long_lines {
        settings::LongLines::Encode => LongLines::Encode,
        settings::LongLines::Pass => LongLines::Pass,
        settings::LongLines::Refuse => LongLines::Refuse,
    }
}

/// The rules for a message of this sender whose recipients are known beforehand.
pub(super) fn rules<'a>(identity: &'a Identity, sender: &'a ReversePath, account: &'a Account) -> Rules<'a> {
    Rules {
        identity,
        sender: Sender::Given(sender),
        name: None,
        recipients: Recipients::Arguments,
        fix_ups: FixUps::All,
        long_lines: long_lines(account),
        charset: &account.charset,
        clock: local_time,
    }
}

pub(super) fn prepared(incoming: Incoming, rules: &Rules<'_>) -> Result<Prepared, Vec<Failure>> {
    prepare(incoming, rules).map_err(|error| {
        let exit = match error {
            PrepareError::Encode(_) => Exit::Io,
            _ => Exit::Data,
        };
        fail(exit, error.to_string())
    })
}

pub(super) fn read_failure(error: ReadError) -> Vec<Failure> {
    let exit = match error {
        ReadError::HeaderTooLarge => Exit::Data,
        ReadError::Input(_) => Exit::Io,
        ReadError::Spool(_) => {
            let hint = format!("It is made in {}; TMPDIR names another place.", std::env::temp_dir().display());
            return vec![Failure::new(Exit::CannotCreate, error.to_string()).hint(hint)];
        }
    };
    fail(exit, error.to_string())
}
