//! A message from arguments: `posthaste send`.

use std::fs::File;
use std::io::IsTerminal as _;

use super::identity::{tell, with_aliases};
use super::recipients::expanded;
use super::sign::Signatures;
use super::submit::{
    caller, dsn, envelope, prepared, print_message, read_failure, reverse_path, rules, stdin, submit, who,
};
use super::{Done, Transcript, account, configuration, fail, unwritable};
use crate::address::{AddressError, Fault, Mailbox, parse_typed_list};
use crate::cli::Global;
use crate::cli::submission::Aliases;
use crate::cli::values::{Body, Format, Send, SendAction, Servers, Text};
use crate::config::account::{Account, Log};
use crate::envelope::{ReversePath, Wishes};
use crate::failure::{Exit, Failure};
use crate::identity::{self, Scope};
use crate::message::compose::{self, Attachment, ComposeError, Draft, Inline, TextError, compose};
use crate::report::{self, Style};
use crate::system::{Patient, words};

/// Composes the message, then submits or prints it.
pub(super) fn send(global: &Global, call: &Send) -> Done {
    let config = configuration(global, Style::Person)?;
    let domain = config.mail_domain().to_owned();
    let from = match &call.from {
        Some(text) => Some(one(text, &domain)?),
        None => None,
    };
    let chosen_by = from.as_ref().map(|mailbox| mailbox.address.as_str());
    let account = account(&config, global, chosen_by, Log::None, Style::Person)?;
    let mut account = whose(call.servers, account);
    account.xclient.clone_from(&call.xclient);
    let domain = account.mail_domain.clone();
    let identity = who(&domain);
    let rules_of_identity = identity::Rules::of(&account, &identity);
    let from = match (from, account.default_sender()) {
        (Some(from), _) => Some(from),
        (None, Some(_)) if rules_of_identity.knows(|| identity.address().ok()) => None,
        (None, Some(sender)) => Some(one(sender, &domain)?),
        (None, None) => None,
    };
    let sender = match (&call.envelope_from, &from) {
        (Some(text), _) => reverse_path(text, &domain)?,
        (None, Some(mailbox)) => ReversePath::Address(mailbox.address.clone()),
        (None, None) => ReversePath::Address(caller(&identity)?),
    };
    if call.hold.is_some() && sender == ReversePath::Null {
        let message = "a message that nobody sent, as --envelope-from '' says, cannot be held";
        return Err(fail(Exit::Usage, message));
    }
    let draft = Draft {
        from,
        to: list(&call.to, &domain)?,
        cc: list(&call.cc, &domain)?,
        bcc: list(&call.bcc, &domain)?,
        reply_to: list(&call.reply_to, &domain)?,
        subject: call.subject.clone(),
        text: match &call.body {
            Body::Given(text) => Some(content(text)?),
            Body::Absent => None,
        },
        html: call.html.as_ref().map(content).transpose()?,
        attachments: call
            .attachments
            .iter()
            .map(|file| Attachment { path: file.path.clone(), name: Some(file.name.clone()), content_type: None })
            .collect(),
        inline: call
            .inline
            .iter()
            .map(|file| Inline { path: file.path.clone(), cid: file.name.clone(), content_type: None })
            .collect(),
        headers: call.headers.iter().map(|field| (field.name.clone(), field.value.clone())).collect(),
    };
    let recipients = draft.recipients();
    if recipients.is_empty() {
        let none = Failure::new(Exit::Usage, "no recipients: --to, --cc and --bcc name nobody");
        return Err(vec![none.hint("An unset variable in the caller is the usual cause.")]);
    }
    let recipients = expanded(recipients, &account, Aliases::Expand)?;
    if recipients.is_empty() {
        return Err(fail(Exit::Usage, "every recipient is an alias for nobody, so nothing is sent"));
    }
    let (incoming, aliased) = with_aliases(compose(draft).map_err(compose_failure)?, &account, Aliases::Expand)?;
    tell(&mut Transcript::of(global), &aliased);
    let message = prepared(incoming, &rules(&identity, &sender, &account))?.message;
    let rewritten = rules_of_identity.rewrite(sender.clone(), message, Scope::All);
    tell(&mut Transcript::of(global), &rewritten.changes);
    let mut message = rewritten.message;
    let envelope = envelope(rewritten.sender, recipients)?.wishing(Wishes {
        dsn: dsn(&call.dsn, &account),
        deliver_by: call.deliver_by,
        hold: call.hold.clone(),
        priority: call.priority,
        way: call.way,
    });
    if call.action == SendAction::Submit {
        let style = match call.format {
            Format::Json => Style::Json,
            Format::Text => Style::Person,
        };
        return submit(global, &account, &envelope, message, None, style);
    }
    Signatures::of(&account, global, Style::Person)?.sign(&mut message)?;
    let mut head = format!("MAIL FROM:<{}>\n", envelope.sender().as_str());
    envelope.recipients().iter().for_each(|recipient| head.push_str(&format!("RCPT TO:<{}>\n", recipient.as_str())));
    report::output(&format!("{head}\n")).map_err(unwritable)?;
    print_message(&mut message).map(|()| Exit::Success)
}

/// The account with the servers that are asked for.
pub(super) fn whose(servers: Servers, account: Account) -> Account {
    match servers {
        Servers::OfAccount => account,
        Servers::Exchangers => account.direct(),
    }
}

fn one(text: &str, domain: &str) -> Result<Mailbox, Vec<Failure>> {
    let mut found = list(std::slice::from_ref(&text.to_owned()), domain)?;
    match (found.pop(), found.is_empty()) {
        (Some(mailbox), true) => Ok(mailbox),
        _ => Err(fail(Exit::Data, format!("one address is needed here: {}", text.escape_debug()))),
    }
}

pub(super) fn list(texts: &[String], domain: &str) -> Result<Vec<Mailbox>, Vec<Failure>> {
    let mut mailboxes = Vec::new();
    for text in texts {
        mailboxes.extend(parse_typed_list(text, domain).map_err(|error| vec![bad_address(&error)])?);
    }
    Ok(mailboxes)
}

fn bad_address(error: &AddressError) -> Failure {
    let failure = Failure::new(Exit::Data, error.to_string());
    match error.fault() {
        Fault::CommaInName => failure.hint(
            "Write \"Doe, John\" <john@example.org> for one person; for two, give the option once for each of them.",
        ),
        _ => failure,
    }
}

fn content(text: &Text) -> Result<compose::Text, Vec<Failure>> {
    let (read, what) = match text {
        Text::Literal(text) => return Ok(text.as_str().into()),
        Text::File(path) => {
            let read = File::open(path).map_err(TextError::Read).and_then(compose::Text::read);
            (read, path.display().to_string())
        }
        Text::Stdin => {
            if std::io::stdin().is_terminal() && report::stderr_is_terminal() {
                report::error_text("posthaste: type the text, and end it with Control-D at the beginning of a line\n");
            }
            (compose::Text::read(Patient(stdin()?)), "standard input".to_owned())
        }
    };
    read.map_err(|error| match error {
        TextError::NotUtf8 => {
            vec![Failure::new(Exit::Data, format!("{what} is not UTF-8 text")).hint("Send it with --attach instead.")]
        }
        TextError::Read(error) => fail(Exit::Io, format!("cannot read {what}: {}", words(&error))),
    })
}

fn compose_failure(error: ComposeError) -> Vec<Failure> {
    match error {
        ComposeError::Read(error) => read_failure(error),
        ComposeError::File { .. } => fail(Exit::Io, error.to_string()),
        ComposeError::Spool(_) => fail(Exit::CannotCreate, error.to_string()),
        _ => fail(Exit::Data, error.to_string()),
    }
}
