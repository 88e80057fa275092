//! Messages from files, one behind the other in one session: `posthaste send --batch`.

mod progress;

use std::collections::{HashSet, VecDeque};

use self::progress::Progress;
use super::recipients::expanded;
use super::sign::Signatures;
use super::submit::{Told, check_size, dsn, long_lines, prepared, read_failure, reverse_path, who};
use super::{Done, Transcript, account, block_on, configuration, tls_failure};
use crate::cli::Global;
use crate::cli::submission::Aliases;
use crate::cli::values::Batch;
use crate::config::account::{Account, Log, Relay};
use crate::deliver::{Job, Letter, Letters, Outcome, deliver, is_before_message};
use crate::dns::Resolver;
use crate::envelope::{Envelope, ReversePath, Wishes};
use crate::failure::{Exit, Failure, exit_of_all, exit_of_verdict, failures};
use crate::identity::{Rules, Scope};
use crate::log;
use crate::message::incoming::Incoming;
use crate::message::mailbox::{Found, MailboxError, Mailboxes};
use crate::message::prepare::{self, FixUps, Identity, Prepared, Recipients, Sender, local_time};
use crate::net::tls::Connectors;
use crate::report::{self, Style};

/// Sends what can be sent, and tells of all that cannot.
pub(super) fn batch(global: &Global, call: Batch) -> Done {
    let config = configuration(global, Style::Person)?;
    let domain = config.mail_domain().to_owned();
    let mut identity = who(&domain);
    let named = call.envelope_from.as_deref().map(|text| reverse_path(text, &domain)).transpose()?;
    let chosen_by = named.as_ref().map(ReversePath::as_str);
    let account = account(&config, global, chosen_by, Log::None, Style::Person)?;
    let account = super::send::whose(call.servers, account);
    identity.mail_domain.clone_from(&account.mail_domain);
    let named = super::identity::named(named, &account, &identity)?;
    let sender = super::identity::first(named.as_ref(), &identity)?;
    let logged = Rules::of(&account, &identity).reverse_path(sender.clone());
    let wishes = Wishes { dsn: dsn(&call.dsn, &account), way: call.way, ..Wishes::default() };
    let signatures = Signatures::of(&account, global, Style::Person)?;
    let mailboxes = Mailboxes::new(call.files);
    let mut waiting = Waiting {
        progress: Progress::new(global.verbosity, &mailboxes),
        mailboxes,
        account: &account,
        signatures: &signatures,
        identity: &identity,
        named: named.as_ref(),
        sender: &sender,
        wishes,
        again: VecDeque::new(),
        exits: Vec::new(),
        hints: HashSet::new(),
    };
    let transcript = Transcript::of(global);
    let detail = transcript.detail();
    let submission = log::Submission { account: &account.name, sender: &logged, size: 0 };
    let mut told = Told::new(transcript, &account, submission, Style::Person);
    let mut connectors = Connectors::default();
    let resolver = Resolver::new(&account.dns, &account.tls);
    // One that a broken session has given back begins the next one, and is not given back again.
    while let Some(mut letter) = waiting.again.pop_front().or_else(|| waiting.next()) {
        let job = Job {
            account: &account,
            envelope: &letter.envelope,
            facts: *letter.message.facts(),
            source: &mut letter.message,
            signer: signatures.signer(),
            letters: Some(&mut waiting),
            connectors: &mut connectors,
            resolver: &resolver,
            detail,
        };
        let outcomes = block_on(deliver(job, &mut told))?.map_err(tls_failure)?;
        let is_hopeless = outcomes.iter().all(|outcome| is_before_message(&outcome.verdict));
        waiting.over(&letter.name, outcomes);
        // What one domain's exchangers say is nothing to the others.
        if is_hopeless && !account.servers.contains(&Relay::Exchangers) {
            waiting.leave_rest();
        }
    }
    waiting.progress.clear();
    Ok(exit_of_all(&waiting.exits))
}

/// The messages that are still to be sent.
struct Waiting<'a> {
    mailboxes: Mailboxes,
    account: &'a Account,
    signatures: &'a Signatures<'a>,
    identity: &'a Identity,
    named: Option<&'a ReversePath>,
    sender: &'a ReversePath,
    wishes: Wishes,
    /// Those that are to begin a session.
    again: VecDeque<Letter>,
    /// What the recipients' verdicts mean for the exit code.
    exits: Vec<Exit>,
    /// Hints that were shown.
    hints: HashSet<String>,
    progress: Progress,
}

impl Waiting<'_> {
    /// A message with its envelope; none where all its recipients are aliases for nobody.
    fn letter(&self, name: &str, message: Result<Incoming, MailboxError>) -> Result<Option<Letter>, Vec<Failure>> {
        let incoming = message.map_err(unreadable)?;
        let (incoming, _) = super::identity::with_aliases(incoming, self.account, Aliases::Expand)?;
        let rules = prepare::Rules {
            identity: self.identity,
            sender: self.named.map_or(Sender::Caller, Sender::Given),
            name: None,
            recipients: Recipients::Header,
            fix_ups: FixUps::All,
            long_lines: long_lines(self.account),
            charset: &self.account.charset,
            clock: local_time,
        };
        let Prepared { message, recipients } = prepared(incoming, &rules)?;
        let rewritten = Rules::of(self.account, self.identity).rewrite(self.sender.clone(), message, Scope::All);
        let mut message = rewritten.message;
        if recipients.is_empty() {
            return Err(vec![Failure::new(Exit::Data, "no recipients: To, Cc and Bcc name nobody")]);
        }
        if self.signatures.signer().is_some() {
            // It may have something to tell.
            self.progress.clear();
        }
        self.signatures.sign(&mut message)?;
        check_size(message.facts(), self.account)?;
        let recipients = expanded(recipients, self.account, Aliases::Expand)?;
        let envelope = Envelope::new(rewritten.sender, recipients).ok();
        let letter = |envelope: Envelope| Letter {
            name: name.to_owned(),
            envelope: envelope.wishing(self.wishes.clone()),
            message,
        };
        Ok(envelope.map(letter))
    }

    fn tell(&mut self, name: &str, failures: Vec<Failure>) {
        if !failures.is_empty() {
            self.progress.clear();
        }
        for Failure { exit, message, hint } in failures {
            let hint = hint.filter(|hint| self.hints.insert(hint.clone()));
            report::failures(&[Failure { exit, message: format!("{name}: {message}"), hint }], Style::Person);
        }
    }

    /// No server can be spoken to, and each further login might count towards a lock-out.
    fn leave_rest(&mut self) {
        for letter in std::mem::take(&mut self.again) {
            self.leave(&letter.name);
        }
        while let Some(found) = self.mailboxes.next() {
            self.leave(&found.name);
        }
    }

    fn leave(&mut self, name: &str) {
        self.exits.push(Exit::TemporaryFailure);
        self.tell(name, vec![Failure::new(Exit::TemporaryFailure, "not tried, for the same reason")]);
    }
}

impl Letters for Waiting<'_> {
    fn next(&mut self) -> Option<Letter> {
        loop {
            let found = self.mailboxes.next();
            self.progress.next(&self.mailboxes);
            let Found { name, message } = found?;
            match self.letter(&name, message) {
                Ok(Some(letter)) => return Some(letter),
                Ok(None) => {}
                Err(failures) => {
                    self.exits.extend(failures.iter().map(|failure| failure.exit));
                    self.tell(&name, failures);
                }
            }
        }
    }

    fn over(&mut self, name: &str, outcomes: Vec<Outcome>) {
        for outcome in &outcomes {
            self.exits.push(exit_of_verdict(&outcome.verdict));
            self.tell(name, failures(std::slice::from_ref(outcome)));
        }
    }

    fn again(&mut self, letter: Letter) {
        self.again.push_back(letter);
    }
}

fn unreadable(error: MailboxError) -> Vec<Failure> {
    match error {
        MailboxError::Message(error) => read_failure(error),
        error => vec![Failure::new(Exit::Io, error.to_string())],
    }
}
