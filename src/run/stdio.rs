//! `-bs`: SMTP on standard input and standard output, as Symfony Mailer and alpine speak it to a sendmail. The session is
//! the server's, the message goes the way of every other one, and 250 is said only when it was accepted.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use crate::address::Address;
use crate::cli::Global;
use crate::cli::submission::Aliases;
use crate::config::Config;
use crate::config::account::{Account, Log};
use crate::deliver::Outcome;
use crate::envelope::{Dsn, Envelope, EnvelopeId, OriginalRecipient, OwnDsn, Returned, ReversePath, Wishes};
use crate::failure::{self, Exit, Failure};
use crate::identity::{Rules, Scope};
use crate::message::incoming::{Incoming, ReadError};
use crate::message::prepare::Identity;
use crate::message::spool::Spool;
use crate::net::stop::is_stopped;
use crate::report::{self, Style};
use crate::server::options::{Extension, Faults, Login, Options, Paths, Tls};
use crate::server::session::{Action, Ending, Security, Session, Verdict, Words};
use crate::server::transaction::{Return, Transaction};
use crate::smtp::outcome;
use crate::smtp::reply::Enhanced;
use crate::system::{Patient, words};

use super::recipients::expanded;
use super::submit::{hand_over, prepared, rules, who};
use super::{Done, account, configuration, fail, unsent, unwritable};

/// Octets that are read at once.
const BLOCK: usize = 1 << 16;

/// As many as an envelope may have; a client with more is told to send the message to these first.
const MOST_RECIPIENTS: usize = 50_000;

/// Serves the client on standard input until QUIT or the end of the input.
pub(super) fn serve(global: &Global) -> Done {
    let config = match configuration(global, Style::OneLine) {
        Ok(config) => config,
        Err(failures) => {
            // The client reads standard output, and its person standard error.
            let words = failures.first().map(|failure| failure.message.as_str()).unwrap_or_default();
            report::output_octets(format!("421 4.3.5 {}\r\n", one_line(words)).as_bytes()).map_err(unwritable)?;
            return Err(failures);
        }
    };
    let identity = who(config.mail_domain());
    let session = Session::new(Arc::new(options(&identity)), Security::Clear, String::new());
    Client { global, config, identity, session, message: None }.converse()
}

/// What a server may be told, or done without where it cannot, as for every other message; and no STARTTLS or AUTH: nobody
/// listens on a pipe.
fn options(identity: &Identity) -> Options {
    Options {
        hostname: identity.host.clone(),
        extensions: vec![
            Extension::Pipelining,
            Extension::Size,
            Extension::EightBitMime,
            Extension::Dsn,
            Extension::SmtpUtf8,
            Extension::EnhancedStatusCodes,
            Extension::Help,
        ],
        tls: Tls::Absent,
        login: Login::Absent,
        max_size: u64::MAX,
        max_recipients: MOST_RECIPIENTS,
        faults: Faults::Off,
        paths: Paths::Usable,
        ..Options::default()
    }
}

struct Client<'a> {
    global: &'a Global,
    config: Config,
    identity: Identity,
    session: Session,
    message: Option<Arriving>,
}

/// A message on its way in. An error is kept until the end of data, where it can be told.
struct Arriving {
    transaction: Box<Transaction>,
    spool: std::io::Result<Spool>,
}

impl Client<'_> {
    fn converse(mut self) -> Done {
        let mut input = Patient(std::io::stdin().lock());
        let mut block = vec![0; BLOCK];
        loop {
            match self.session.next() {
                Action::Write(octets) => report::output_octets(&octets).map_err(unwritable)?,
                // A signal has ended the last message, and the client has its answer.
                Action::NeedMore if is_stopped() => return Ok(Exit::TemporaryFailure),
                Action::NeedMore => match input.read(&mut block) {
                    Ok(0) => return self.ended(),
                    Ok(count) => self.session.feed(&block[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(fail(Exit::Io, format!("cannot read standard input: {}", words(&error)))),
                },
                Action::Begin(transaction) => {
                    self.message = Some(Arriving { transaction, spool: Ok(Spool::new()) });
                }
                Action::Data(octets) => {
                    if let Some(Arriving { spool, .. }) = &mut self.message
                        && let Ok(open) = spool
                        && let Err(error) = open.write_all(&octets)
                    {
                        *spool = Err(error);
                    }
                }
                Action::Discard => self.message = None,
                Action::End => {
                    let verdict = match self.message.take() {
                        Some(message) => self.submit(message),
                        None => Verdict::Deferred("there is no message".into()),
                    };
                    self.session.conclude(verdict);
                }
                // There is no TLS to be had, so this cannot be asked for.
                Action::StartTls | Action::Close => return Ok(Exit::Success),
            }
        }
    }

    /// QUIT should have come before the end of the input, and need not.
    fn ended(&self) -> Done {
        match self.session.ending() {
            Ending::BetweenCommands => Ok(Exit::Success),
            Ending::InsideMessage => {
                Err(fail(Exit::Data, "the input ended inside a message; nothing of that message was sent"))
            }
        }
    }

    fn submit(&mut self, message: Arriving) -> Verdict {
        match self.outcomes(message) {
            Ok(outcomes) => verdict(&outcomes),
            Err(failures) => {
                unsent::record(self.global, &failures);
                refusal(&failures)
            }
        }
    }

    fn outcomes(&mut self, message: Arriving) -> Result<Vec<Outcome>, Vec<Failure>> {
        let Arriving { transaction, spool } = message;
        let account =
            account(&self.config, self.global, Some(transaction.sender.as_str()), Log::Syslog, Style::OneLine)?;
        let sender = super::submit::reverse_path(transaction.sender.as_str(), &account.mail_domain)?;
        let (recipients, own) = recipients(&transaction, &account)?;
        if recipients.is_empty() {
            return Ok(Vec::new());
        }
        let spool = spool.map_err(|error| super::submit::read_failure(ReadError::Spool(error)))?;
        let incoming = Incoming::from_spool(spool).map_err(super::submit::read_failure)?;
        let (incoming, _) = super::identity::with_aliases(incoming, &account, Aliases::Expand)?;
        self.identity.mail_domain.clone_from(&account.mail_domain);
        let message = prepared(incoming, &rules(&self.identity, &sender, &account))?.message;
        let rewritten = Rules::of(&account, &self.identity).rewrite(sender.clone(), message, Scope::All);
        let message = rewritten.message;
        let envelope =
            Envelope::new(rewritten.sender, recipients).map_err(|error| fail(Exit::Data, error.to_string()))?;
        let envelope = envelope.wishing(Wishes { dsn: dsn(&transaction, &account), ..Wishes::default() });
        let envelope = envelope.wishing_for_each(|recipient| own.get(&recipient.key()).cloned().unwrap_or_default());
        hand_over(self.global, &account, &envelope, message, None, Style::Quiet).map(|(outcomes, _)| outcomes)
    }
}

/// What is wished for single recipients, by their keys.
type Own = HashMap<String, OwnDsn>;

/// The recipients in the end, and what the client wishes for some of them. Who stands for an alias gets the
/// wishes for the alias, which was the original recipient (RFC 3461 section 5.2.7).
fn recipients(transaction: &Transaction, account: &Account) -> Result<(Vec<Address>, Own), Vec<Failure>> {
    let mut plain = Vec::new();
    let mut wished = Vec::new();
    for recipient in &transaction.recipients {
        let address = match ReversePath::parse(recipient.address.as_str(), &account.mail_domain) {
            Ok(ReversePath::Address(address)) => address,
            Ok(ReversePath::Null) => return Err(fail(Exit::Data, "a recipient has no address")),
            Err(error) => return Err(fail(Exit::Data, error.to_string())),
        };
        let notify = recipient.notify.as_ref().and_then(|notify| notify.parse().ok());
        let original = recipient.orcpt.as_ref().and_then(|original| OriginalRecipient::parse(original));
        match (&notify, &original) {
            (None, None) => plain.push(address),
            _ => {
                let original = original.or_else(|| OriginalRecipient::of(&address));
                wished.push((address, OwnDsn { notify, original }));
            }
        }
    }
    let mut all = expanded(plain, account, Aliases::Expand)?;
    let mut own = HashMap::new();
    for (address, wishes) in wished {
        for recipient in expanded(vec![address], account, Aliases::Expand)? {
            own.entry(recipient.key()).or_insert_with(|| wishes.clone());
            all.push(recipient);
        }
    }
    Ok((all, own))
}

/// What is wished of notifications for all recipients: what MAIL said, else what the account says.
fn dsn(transaction: &Transaction, account: &Account) -> Dsn {
    let returned = transaction.ret.map(|ret| match ret {
        Return::Full => Returned::Full,
        Return::Hdrs => Returned::Headers,
    });
    Dsn {
        notify: account.dsn.notify.clone(),
        returned: returned.or(account.dsn.returned),
        envelope_id: transaction.envid.as_deref().and_then(EnvelopeId::from_xtext),
    }
}

/// One reply for all recipients. Where some have got the message, a client that tries again would double it, so that it is
/// told of a failure for good, and for whom.
fn verdict(outcomes: &[Outcome]) -> Verdict {
    let failures = failure::failures(outcomes);
    let accepted = || {
        outcomes.iter().filter_map(|outcome| match &outcome.verdict {
            outcome::Verdict::Accepted(reply) => Some(reply),
            _ => None,
        })
    };
    let lines: Vec<String> = failures.iter().map(|failure| one_line(&failure.message)).collect();
    let text = lines.join("; ");
    match (accepted().count(), accepted().next()) {
        _ if outcomes.is_empty() => Verdict::Accepted("every recipient is an alias for nobody".into()),
        (_, Some(reply)) if failures.is_empty() => {
            let text = match reply.text().split_once(' ') {
                Some((word, rest)) if Enhanced::parse(word).is_some() => rest,
                _ => reply.text(),
            };
            Verdict::Accepted(Words { status: status(outcomes, 2), text: one_line(text) })
        }
        (0, _) if outcomes.iter().any(|outcome| matches!(outcome.verdict, outcome::Verdict::Deferred(_))) => {
            Verdict::Deferred(Words { status: status(outcomes, 4), text })
        }
        (0, _) => Verdict::Refused(Words { status: status(outcomes, 5), text }),
        (count, _) => {
            let text = format!("{count} of {} recipients got it; {text}", outcomes.len());
            Verdict::Refused(Words { status: status(outcomes, 5), text })
        }
    }
}

/// The enhanced status code of this class that all outcomes which have one share.
fn status(outcomes: &[Outcome], class: u8) -> Option<(u16, u16)> {
    let codes = outcomes.iter().filter_map(|outcome| match &outcome.verdict {
        outcome::Verdict::Accepted(reply) => reply.enhanced(),
        outcome::Verdict::Deferred(trouble) | outcome::Verdict::Failed(trouble) => trouble.status(),
    });
    let mut codes = codes.filter(|code| code.class == class).map(|code| (code.subject, code.detail));
    let first = codes.next()?;
    codes.all(|other| other == first).then_some(first)
}

/// What is wrong here may be mended; what is wrong with the message or an address, and an alias that leads to nobody whom
/// mail can reach, is refused as `sendmail` itself does.
fn refusal(failures: &[Failure]) -> Verdict {
    let Some(failure) = failures.first() else { return Verdict::Deferred("it cannot be sent".into()) };
    let text = one_line(&failure.message);
    match failure.exit {
        Exit::Data | Exit::Usage | Exit::NoUser => Verdict::Refused(text.into()),
        _ => Verdict::Deferred(text.into()),
    }
}

/// A reply is one line of ASCII unless the client asked for more.
fn one_line(words: &str) -> String {
    let text = words.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}
