//! From the command line to the octets on the wire, without a process or a connection: the steps of `run`, with a server that
//! says yes to everything.

use std::cell::{LazyCell, RefCell};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use posthaste::address::{Address, parse_list, parse_typed_list};
use posthaste::aliases::{Aliases, Here};
use posthaste::cli::submission::{HeaderFixes, RecipientsFrom, Submission};
use posthaste::cli::values::{Body, Send, Text};
use posthaste::cli::{Invocation, parse};
use posthaste::config::Environment;
use posthaste::config::account::{Account, Log};
use posthaste::config::{Choice, load};
use posthaste::envelope::{Dsn, Envelope, ReversePath, Wishes};
use posthaste::message::compose::{Attachment, Draft, compose};
use posthaste::message::downgrade::Reencoder;
use posthaste::message::incoming::Incoming;
use posthaste::message::prepare::{
    Caller, FixUps, Identity, LongLines, Recipients, Rules, Sender, UNKNOWN_CHARSET, prepare,
};
use posthaste::message::spool::Spool;
use posthaste::message::{Message, More, Source as _};
use posthaste::server::options::{Login, Options, Tls};
use posthaste::server::session as server;
use posthaste::smtp::framing::{Dots, Framer};
use posthaste::smtp::memory::Memory;
use posthaste::smtp::session::{
    Action, Caution, Chunking, EightBit, LoginMode, Namesake, Partial, Protocol, Purpose, Session, Settings, TlsMode,
};
use posthaste::system::{self, Machine};

/// A server that lists these, one a line.
pub type Server = &'static str;
pub const NEW_SERVER: Server = "250-mx\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE\r\n250-DSN\r\n250 PIPELINING\r\n";
pub const OLD_SERVER: Server = "250 mx\r\n";

/// What stands beside the arguments.
#[derive(Default)]
pub struct Call<'a> {
    pub argv: Vec<&'a [u8]>,
    pub input: Vec<u8>,
    /// `NAME`.
    pub name: Option<&'a [u8]>,
    /// Variables of the configuration.
    pub variables: Vec<(&'static str, &'a [u8])>,
    /// The alias file.
    pub aliases: &'a [u8],
}

fn clock() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc2822("Tue, 01 Sep 2026 12:00:00 +0200").unwrap()
}

fn account(call: &Call<'_>) -> Option<Account> {
    let common = [("POSTHASTE_SERVER", &b"smtp://127.0.0.1:25"[..]), ("POSTHASTE_TLS", b"none")];
    let defaults = [("POSTHASTE_MAIL_DOMAIN", &b"example.org"[..]), ("POSTHASTE_HOSTNAME", b"box.example.org")];
    let is_set = |name: &str| call.variables.iter().any(|(set, _)| *set == name);
    let defaults = defaults.into_iter().filter(|(name, _)| !is_set(name));
    let all = common.into_iter().chain(defaults).chain(call.variables.iter().copied());
    let environment =
        Environment::new(all.map(|(name, value)| (name, OsString::from_vec(value.to_vec()))), system::Identity::Plain)
            .with_system_file("/nowhere")
            .with_machine(system::Machine {
                mailname: "/nowhere".into(),
                hosts: "/nowhere".into(),
                node: Some("box.example.org".to_owned()),
            });
    let config = load(&environment, None).ok()?;
    config.account(Choice { name: None, sender: None, log: Log::None }).ok()
}

thread_local! {
    /// What the process would find in `NAME` when it looks.
    static NAME: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn identity(call: &Call<'_>, account: &Account) -> Identity {
    // A variable that is not UTF-8 is none.
    let name = call.name.and_then(|name| String::from_utf8(name.to_vec()).ok()).filter(|name| !name.is_empty());
    NAME.set(name.or(Some("Alice Alice Co".to_owned())));
    Identity {
        caller: LazyCell::new(|| Caller { login: "alice".to_owned(), full_name: NAME.take() }),
        mail_domain: account.mail_domain.clone(),
        host: LazyCell::new(|| "box.example.org".to_owned()),
    }
}

/// No name of the machine that this runs on counts.
fn here(account: &Account) -> Here<'_> {
    let machine = Machine { node: Some("box".to_owned()), ..Machine::default() };
    Here { mail_domain: &account.mail_domain, elsewhere: Some(&account.mail_domain), hostname: None, machine }
}

fn expanded(recipients: Vec<Address>, call: &Call<'_>, account: &Account) -> Option<Vec<Address>> {
    match std::str::from_utf8(call.aliases) {
        Ok(text) => Aliases::parse(Path::new("/etc/aliases"), text).expand(recipients, &here(account)).ok(),
        Err(_) => None,
    }
}

/// The octets that leave for the server; none when the call is refused, or asks for something else than a message.
pub fn run(call: &Call<'_>, server: Server) -> Vec<Vec<u8>> {
    let argv = call.argv.iter().map(|word| OsString::from_vec(word.to_vec())).collect();
    let Ok((_, invocation)) = parse(argv) else { return Vec::new() };
    let Some(account) = account(call) else { return Vec::new() };
    match invocation {
        Invocation::Sendmail(submission) => sendmail(call, &submission, &account, server).into_iter().collect(),
        Invocation::Send(send) => composed(call, &send, &account, server).into_iter().collect(),
        Invocation::SmtpOnStdio => smtp(call, &account, server),
        _ => Vec::new(),
    }
}

fn sendmail(call: &Call<'_>, submission: &Submission, account: &Account, server: Server) -> Option<Vec<u8>> {
    let domain = &account.mail_domain;
    let identity = identity(call, account);
    let named = match (submission.sender.as_deref(), account.default_sender()) {
        (Some(text), _) | (None, Some(text)) => Some(ReversePath::parse(text, domain).ok()?),
        (None, None) => None,
    };
    let mut recipients = Vec::new();
    for text in &submission.recipients {
        recipients.extend(parse_list(text, domain).ok()?.into_iter().map(|mailbox| mailbox.address));
    }
    let rules = Rules {
        name: submission.full_name.as_deref(),
        recipients: match submission.recipients_from {
            RecipientsFrom::Arguments => Recipients::Arguments,
            RecipientsFrom::ArgumentsAndHeader => Recipients::Header,
        },
        fix_ups: match submission.header {
            HeaderFixes::All => FixUps::All,
            HeaderFixes::BccOnly => FixUps::OnlyBcc,
        },
        ..rules(&identity, named.as_ref().map_or(Sender::Caller, Sender::Given))
    };
    let prepared = prepare(collected(&call.input), &rules).ok()?;
    recipients.extend(prepared.recipients);
    let sender = named.clone().or_else(|| Some(ReversePath::Address(identity.address().ok()?)))?;
    let envelope = Envelope::new(sender, expanded(recipients, call, account)?).ok()?;
    let dsn = submission.dsn.clone();
    let dsn = Dsn {
        notify: dsn.notify.or(account.dsn.notify.clone()),
        returned: dsn.returned.or(account.dsn.returned),
        envelope_id: dsn.envelope_id,
    };
    submitted(envelope.wishing(Wishes { dsn, ..Wishes::default() }), prepared.message, account, server)
}

fn rules<'a>(identity: &'a Identity, sender: Sender<'a>) -> Rules<'a> {
    Rules {
        identity,
        sender,
        name: None,
        recipients: Recipients::Arguments,
        fix_ups: FixUps::All,
        long_lines: LongLines::Encode,
        charset: UNKNOWN_CHARSET,
        clock,
    }
}

fn composed(call: &Call<'_>, send: &Send, account: &Account, server: Server) -> Option<Vec<u8>> {
    let domain = &account.mail_domain;
    let list = |texts: &[String]| {
        let lists: Option<Vec<_>> = texts.iter().map(|text| parse_typed_list(text, domain).ok()).collect();
        lists.map(|lists| lists.concat())
    };
    let from = match &send.from {
        Some(text) => Some(list(std::slice::from_ref(text))?.pop()?),
        None => None,
    };
    let identity = identity(call, account);
    let sender = match (&send.envelope_from, &from) {
        (Some(text), _) => ReversePath::parse(text, domain).ok()?,
        (None, Some(mailbox)) => ReversePath::Address(mailbox.address.clone()),
        (None, None) => ReversePath::Address(identity.address().ok()?),
    };
    let file = |file: &posthaste::cli::values::NamedFile| Attachment {
        path: file.path.clone(),
        name: Some(file.name.clone()),
        content_type: None,
    };
    let draft = Draft {
        from,
        to: list(&send.to)?,
        cc: list(&send.cc)?,
        bcc: list(&send.bcc)?,
        reply_to: list(&send.reply_to)?,
        subject: send.subject.clone(),
        text: match &send.body {
            Body::Given(Text::Literal(text)) => Some(text.as_str().into()),
            _ => None,
        },
        attachments: send.attachments.iter().map(file).collect(),
        headers: send.headers.iter().map(|field| (field.name.clone(), field.value.clone())).collect(),
        ..Draft::default()
    };
    let recipients = expanded(draft.recipients(), call, account)?;
    let message = prepare(compose(draft).ok()?, &rules(&identity, Sender::Given(&sender))).ok()?.message;
    let dsn = Dsn { envelope_id: send.dsn.envelope_id.clone(), ..Dsn::default() };
    submitted(
        Envelope::new(sender, recipients).ok()?.wishing(Wishes { dsn, ..Wishes::default() }),
        message,
        account,
        server,
    )
}

/// `-bs`: a session with whatever the client says.
fn smtp(call: &Call<'_>, account: &Account, server: Server) -> Vec<Vec<u8>> {
    let options = Options { tls: Tls::Absent, login: Login::Absent, ..Options::default() };
    let mut session = server::Session::new(Arc::new(options), server::Security::Clear, String::new());
    let (mut wires, mut arriving) = (Vec::new(), None);
    let mut input = Some(call.input.as_slice());
    loop {
        match session.next() {
            server::Action::Write(_) => {}
            server::Action::NeedMore => match input.take() {
                Some(octets) => session.feed(octets),
                None => return wires,
            },
            server::Action::Begin(transaction) => arriving = Some((transaction, Vec::new())),
            server::Action::Data(octets) => arriving.as_mut().unwrap().1.extend_from_slice(&octets),
            server::Action::Discard => arriving = None,
            server::Action::End => {
                let (transaction, octets) = arriving.take().unwrap();
                let forward = || {
                    let domain = &account.mail_domain;
                    let sender = ReversePath::parse(transaction.sender.as_str(), domain).ok()?;
                    let recipients = transaction.recipients.iter().map(|recipient| {
                        match ReversePath::parse(recipient.address.as_str(), domain) {
                            Ok(ReversePath::Address(address)) => Some(address),
                            _ => None,
                        }
                    });
                    let envelope =
                        Envelope::new(sender.clone(), expanded(recipients.collect::<Option<_>>()?, call, account)?);
                    let identity = identity(call, account);
                    let message = prepare(collected(&octets), &rules(&identity, Sender::Given(&sender))).ok()?.message;
                    submitted(envelope.ok()?, message, account, server)
                };
                wires.extend(forward());
                session.conclude(server::Verdict::Accepted("taken".into()));
            }
            server::Action::StartTls | server::Action::Close => return wires,
        }
    }
}

fn collected(octets: &[u8]) -> Incoming {
    let mut spool = Spool::new();
    spool.write_all(octets).unwrap();
    Incoming::from_spool(spool).unwrap()
}

/// The session with a server that takes everything.
fn submitted(envelope: Envelope, mut message: Message, account: &Account, server: Server) -> Option<Vec<u8>> {
    let settings = Settings {
        protocol: Protocol::Smtp,
        hello: account.hostname.clone().unwrap_or_else(|| "box.example.org".to_owned()),
        tls: TlsMode::None,
        login: LoginMode::None,
        max_recipients: account.max_recipients,
        partial: Partial::Deliver,
        eight_bit: EightBit::Encode,
        chunking: Chunking::Never,
        xclient: Vec::new(),
        namesake: Namesake::Fine,
        caution: Caution::None,
        memory: Memory::default(),
    };
    let facts = *message.facts();
    let mut session = Session::new(settings, Purpose::Submit(envelope, facts));
    let (mut wire, mut answered, mut in_data) = (Vec::new(), 0, false);
    session.received(b"220 mx\r\n");
    for _ in 0..100_000 {
        match session.next_action() {
            Action::Write(octets) => wire.extend_from_slice(&octets),
            Action::Flush => {}
            Action::Read(_) => {
                let mut replies = String::new();
                for line in wire[answered..].split_inclusive(|octet| *octet == b'\n') {
                    answered += line.len();
                    match line {
                        b".\r\n" => (in_data, replies) = (false, replies + "250 taken\r\n"),
                        _ if in_data => {}
                        b"DATA\r\n" => (in_data, replies) = (true, replies + "354 go\r\n"),
                        line if line.starts_with(b"EHLO") => replies += server,
                        line if line.starts_with(b"QUIT") => replies += "221 bye\r\n",
                        _ => replies += "250 ok\r\n",
                    }
                }
                session.received(replies.as_bytes());
            }
            Action::SendBody => {
                let (mut framer, mut block) = (Framer::new(Dots::Stuff), Vec::new());
                message.rewind().unwrap();
                loop {
                    block.clear();
                    let more = message.read_block(&mut block).unwrap();
                    framer.push(&block, &mut wire);
                    if more == More::No {
                        break;
                    }
                }
                framer.finish(&mut wire);
                session.body_sent();
            }
            Action::Reencode(goal) => match Reencoder::new(&mut message, goal).unwrap().run() {
                Ok(done) => {
                    message = done.message;
                    session.reencoded(*message.facts());
                }
                Err(_) => session.cannot_reencode("it must stay so".to_owned()),
            },
            Action::Close(_) => return wire.windows(6).any(|six| six == b"DATA\r\n").then_some(wire),
            action => panic!("{action:?}"),
        }
    }
    panic!("the session does not end");
}
