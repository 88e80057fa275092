//! Messages from files, one behind the other in one session: `posthaste send --batch`.

mod accounts;
mod progress;

use std::collections::{HashMap, HashSet, VecDeque};

use self::accounts::{Accounts, Way, Ways};
use self::progress::Progress;
use super::recipients::expanded;
use super::submit::{Told, check_size, long_lines, prepared, read_failure};
use super::{Done, Transcript, block_on, configuration, tls_failure};
use crate::cli::Global;
use crate::cli::submission::Aliases;
use crate::cli::values::Batch;
use crate::config::account::Relay;
use crate::deliver::{Job, Letter, Letters, Outcome, deliver, is_before_message};
use crate::envelope::Envelope;
use crate::failure::{Exit, Failure, exit_of_all, exit_of_verdict, failures};
use crate::identity::{Rules, Scope};
use crate::log;
use crate::message::incoming::Incoming;
use crate::message::mailbox::{Found, MailboxError, Mailboxes};
use crate::message::prepare::{self, FixUps, Prepared, Recipients, Sender, local_time};
use crate::net::tls::Connectors;
use crate::report::{self, Style};
use crate::route::Guide;

/// Sends what can be sent, and tells of all that cannot.
pub(super) fn batch(global: &Global, mut call: Batch) -> Done {
    let config = configuration(global, Style::Person)?;
    let mailboxes = Mailboxes::new(std::mem::take(&mut call.files));
    let accounts = Accounts::new(&config, global, &call);
    let ways = Ways::new(&accounts)?;
    let mut waiting = Waiting {
        progress: Progress::new(global.verbosity, &mailboxes),
        mailboxes,
        ways: &ways,
        current: None,
        again: VecDeque::new(),
        aside: VecDeque::new(),
        hopeless: HashSet::new(),
        exits: Vec::new(),
        hints: HashSet::new(),
    };
    let connectors = Connectors::default();
    let mut guides = HashMap::new();
    let mut witnesses = HashMap::new();
    while let Some((at, letter)) = waiting.head() {
        let Some(Way { origin, signatures, .. }) = ways.get(at) else { break };
        let transcript = Transcript::of(global);
        let detail = transcript.detail();
        let told = witnesses.entry(at).or_insert_with(|| {
            let submission =
                log::Submission { account: &origin.account.name, sender: &origin.logged, size: 0, note: None };
            Told::new(transcript, &origin.account, submission, Style::Person)
        });
        let guide = guides.entry(at).or_insert_with(|| Guide::new(&origin.account));
        let job = Job {
            account: &origin.account,
            envelope: &letter.envelope,
            facts: *letter.message.facts(),
            message: &letter.message,
            signer: signatures.signer(),
            connectors: &connectors,
            guide,
            detail,
            // What is read between messages may be waited for, and the signals must end that.
            stop: None,
        };
        match block_on(deliver(&job, Some(&mut waiting), told))? {
            Ok(outcomes) => {
                // No server can be spoken to, and each further login might count towards a lock-out.
                // What one domain's exchangers say is nothing to the others.
                let is_hopeless = outcomes.iter().all(|outcome| is_before_message(&outcome.verdict));
                if is_hopeless && !origin.account.servers.contains(&Relay::Exchangers) {
                    waiting.hopeless.insert(at);
                }
                waiting.over(&letter.name, outcomes);
            }
            Err(unusable) => {
                waiting.hopeless.insert(at);
                waiting.fail(&letter.name, tls_failure(unusable));
            }
        }
    }
    waiting.progress.clear();
    Ok(exit_of_all(&waiting.exits))
}

/// The messages that are still to be sent.
struct Waiting<'a> {
    mailboxes: Mailboxes,
    ways: &'a Ways<'a>,
    /// The way of the session.
    current: Option<usize>,
    /// Those that are to begin a session: a broken one has given them back, and the next one does not.
    again: VecDeque<(usize, Letter)>,
    /// Those that go another way than the session.
    aside: VecDeque<(usize, Letter)>,
    /// The ways that lead nowhere.
    hopeless: HashSet<usize>,
    /// What the recipients' verdicts mean for the exit code.
    exits: Vec<Exit>,
    /// Hints that were shown.
    hints: HashSet<String>,
    progress: Progress,
}

/// So many messages are put aside for other accounts before a session ends for them: each may have a file open, or hold
/// a mebibyte of memory.
const ASIDE: usize = 16;

impl Waiting<'_> {
    /// The message that begins the next session, and its way.
    fn head(&mut self) -> Option<(usize, Letter)> {
        loop {
            let waiting = self.again.pop_front().or_else(|| self.aside.pop_front());
            let (at, letter) = match waiting {
                Some((at, letter)) if self.hopeless.contains(&at) => {
                    self.fail(&letter.name, not_tried());
                    continue;
                }
                Some(head) => head,
                None => self.read()?,
            };
            self.current = Some(at);
            return Some((at, letter));
        }
    }

    /// The next message that can be sent, and its way.
    fn read(&mut self) -> Option<(usize, Letter)> {
        loop {
            let found = self.mailboxes.next();
            self.progress.next(&self.mailboxes);
            let Found { name, message } = found?;
            match self.letter(&name, message) {
                Ok(Some(letter)) => return Some(letter),
                Ok(None) => {}
                Err(failures) => self.fail(&name, failures),
            }
        }
    }

    /// A message with its envelope and its way; none where all its recipients are aliases for nobody.
    fn letter(
        &self,
        name: &str,
        message: Result<Incoming, MailboxError>,
    ) -> Result<Option<(usize, Letter)>, Vec<Failure>> {
        let incoming = message.map_err(unreadable)?;
        let at = self.ways.of(&incoming)?;
        let Some(Way { origin, signatures, wishes }) = self.ways.get(at) else { return Ok(None) };
        if self.hopeless.contains(&at) {
            return Err(not_tried());
        }
        let (incoming, _) = super::identity::with_aliases(incoming, &origin.account, Aliases::Expand)?;
        let rules = prepare::Rules {
            identity: &origin.identity,
            sender: origin.named.as_ref().map_or(Sender::Caller, Sender::Given),
            name: None,
            recipients: Recipients::Header,
            fix_ups: FixUps::All,
            long_lines: long_lines(&origin.account),
            charset: &origin.account.charset,
            clock: local_time,
        };
        let Prepared { message, recipients } = prepared(incoming, &rules)?;
        let identity = Rules::of(&origin.account, &origin.identity);
        let rewritten = identity.rewrite(origin.sender.clone(), message, Scope::All);
        let mut message = rewritten.message;
        if recipients.is_empty() {
            return Err(vec![Failure::new(Exit::Data, "no recipients: To, Cc and Bcc name nobody")]);
        }
        if signatures.signer().is_some() {
            // It may have something to tell.
            self.progress.clear();
        }
        signatures.sign(&mut message)?;
        check_size(message.facts(), &origin.account)?;
        let recipients = expanded(recipients, &origin.account, Aliases::Expand)?;
        let envelope = Envelope::new(rewritten.sender, recipients).ok();
        let letter =
            |envelope: Envelope| Letter { name: name.to_owned(), envelope: envelope.wishing(wishes.clone()), message };
        Ok(envelope.map(|envelope| (at, letter(envelope))))
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

    fn fail(&mut self, name: &str, failures: Vec<Failure>) {
        self.exits.extend(failures.iter().map(|failure| failure.exit));
        self.tell(name, failures);
    }
}

fn not_tried() -> Vec<Failure> {
    vec![Failure::new(Exit::TemporaryFailure, "not tried, for the same reason")]
}

impl Letters for Waiting<'_> {
    fn next(&mut self) -> Option<Letter> {
        let current = self.current?;
        let is_own = |(at, _): &(usize, Letter)| *at == current;
        if let Some(own) = self.aside.iter().position(is_own) {
            return self.aside.remove(own).map(|(_, letter)| letter);
        }
        while self.aside.len() < ASIDE {
            let (at, letter) = self.read()?;
            if at == current {
                return Some(letter);
            }
            self.aside.push_back((at, letter));
        }
        None
    }

    fn over(&mut self, name: &str, outcomes: Vec<Outcome>) {
        for outcome in &outcomes {
            self.exits.push(exit_of_verdict(&outcome.verdict));
            self.tell(name, failures(std::slice::from_ref(outcome)));
        }
    }

    fn again(&mut self, letter: Letter) {
        if let Some(current) = self.current {
            self.again.push_back((current, letter));
        }
    }
}

fn unreadable(error: MailboxError) -> Vec<Failure> {
    match error {
        MailboxError::Message(error) => read_failure(error),
        error => vec![Failure::new(Exit::Io, error.to_string())],
    }
}
