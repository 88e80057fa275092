//! The servers of our own: `posthaste sink` and `posthaste demo`.

use std::cell::LazyCell;
use std::fs;

use super::{Done, Transcript, block_on, fail, tls_failure, unwritable};
use crate::cli::Verbosity;
use crate::cli::values::{Format, Sink as SinkCall, SinkFaults, SinkProtocol, SinkTls};
use crate::config::account::Log;
use crate::config::{Choice, Environment, load};
use crate::deliver::{Job, deliver};
use crate::envelope::{Envelope, ReversePath};
use crate::failure::{Exit, Failure, exit_of};
use crate::message::compose::{Draft, compose};
use crate::message::prepare::{
    Caller, FixUps, Identity, LongLines, Recipients, Rules, Sender, UNKNOWN_CHARSET, local_time,
};
use crate::net::drive::Detail;
use crate::net::tls::Connectors;
use crate::report::{self, Style};
use crate::server::options::{Credential, Faults, Login, Options, Protocol, Tls};
use crate::server::sink::{Reach, Sink, SinkError, SinkEvent, SinkOptions};
use crate::server::store::Store;

/// `posthaste sink`: catches mail until it is stopped, or has caught as much as it was told to.
pub(super) fn sink(call: &SinkCall) -> Done {
    let mut session = Options::default();
    if call.protocol == SinkProtocol::Lmtp {
        session.protocol = Protocol::Lmtp;
    }
    if call.tls == SinkTls::Required {
        session.tls = Tls::Required;
    }
    if call.faults == SinkFaults::ByLocalPart {
        session.faults = Faults::ByLocalPart;
    }
    if let Some(size) = call.max_size {
        session.max_size = size;
    }
    if let Some(login) = &call.login {
        let text = fs::read_to_string(&login.password_file)
            .map_err(|error| fail(Exit::Config, format!("cannot read {}: {error}", login.password_file.display())))?;
        let password = text.lines().next().unwrap_or_default().to_owned();
        session.login = demanded(session.login, &login.user, password);
    }
    let loopback = call.listen.ip().is_loopback() && call.tls_listen.is_none_or(|address| address.ip().is_loopback());
    let options = SinkOptions {
        smtp: call.listen,
        submissions: call.tls_listen,
        // Whoever names another address asks for it.
        reach: if loopback { Reach::Loopback } else { Reach::Anywhere },
        session,
        store: match (&call.maildir, call.format) {
            (Some(directory), _) => Store::Maildir(directory.clone()),
            (None, Format::Json) => Store::Json,
            (None, Format::Text) => Store::Print,
        },
        count: call.count.map(|count| count.get()),
        ..SinkOptions::default()
    };
    block_on(async {
        let sink = Sink::bind(options).await.map_err(sink_failure)?;
        if let Some(path) = &call.ca_file {
            fs::write(path, sink.certificate_pem())
                .map_err(|error| fail(Exit::CannotCreate, format!("cannot write {}: {error}", path.display())))?;
        }
        report::error_text(&format!("posthaste: sink on {}\n", sink.smtp_addr()));
        let on_event = |event| match event {
            SinkEvent::Message { output, .. } => {
                if let Err(error) = report::output(&output) {
                    report::error_text(&format!("posthaste: a message was caught and cannot be shown: {error}\n"));
                }
            }
            SinkEvent::Trouble { peer, text } => report::error_text(&format!("posthaste: {peer}: {text}\n")),
        };
        sink.run(on_event, std::future::pending()).await;
        Ok(Exit::Success)
    })?
}

/// `posthaste demo`: a real submission, over TLS and with a login, to a sink in this process.
pub(super) fn demo() -> Done {
    block_on(async {
        let options = SinkOptions { count: Some(1), store: Store::Print, ..SinkOptions::default() };
        let sink = Sink::bind(options).await.map_err(sink_failure)?;
        let address = sink.smtp_addr();
        let authority = tempfile(sink.certificate_pem())?;
        let path = authority.0.display().to_string();
        let server = format!("submission://demo@localhost:{}", address.port());
        let environment = Environment::new(
            [
                ("POSTHASTE_SERVER", server.as_str()),
                ("POSTHASTE_PASSWORD", "not a secret"),
                ("POSTHASTE_TLS_CA_FILE", path.as_str()),
                ("POSTHASTE_MAIL_DOMAIN", "example.org"),
                ("POSTHASTE_HOSTNAME", "demo.example.org"),
            ],
            crate::system::Identity::Plain,
        )
        .with_system_file(authority.0.with_extension("absent"));
        let config = load(&environment, None).map_err(|error| super::config_failure(&error, Style::Person))?;
        let account = config
            .account(Choice { name: None, sender: None, log: Log::None })
            .map_err(|error| super::config_failure(&error, Style::Person))?;
        let (envelope, message) = letter()?;
        report::output("This is what is said between posthaste and the server:\n\n").map_err(unwritable)?;
        let show = |text: &str| drop(report::output(text));
        let mut transcript = Transcript { verbosity: Verbosity::Dialogue, show, server: None };
        let facts = *message.facts();
        let job = Job {
            account: &account,
            envelope: &envelope,
            facts,
            detail: Detail::Full,
            message: &message,
            signer: None,
            connectors: &Connectors::default(),
            guide: &crate::route::Guide::new(&account),
            stop: None,
        };
        let mut received = String::new();
        let on_event = |event| {
            if let SinkEvent::Message { output, .. } = event {
                received = output;
            }
        };
        let (_, outcomes) =
            tokio::join!(sink.run(on_event, std::future::pending()), deliver(&job, None, &mut transcript));
        let outcomes = outcomes.map_err(tls_failure)?;
        report::outcomes(&outcomes, Style::Person).map_err(unwritable)?;
        report::output(&format!("\nAnd this is what the server received:\n\n{received}")).map_err(unwritable)?;
        Ok(exit_of(&outcomes))
    })?
}

fn letter() -> Result<(Envelope, crate::message::Message), Vec<Failure>> {
    let mailbox = |text: &str| {
        crate::address::parse_list(text, "example.org").map_err(|error| fail(Exit::Software, error.to_string()))
    };
    let draft = Draft {
        from: mailbox("Alice <alice@example.org>")?.pop(),
        to: mailbox("Bob <bob@example.net>")?,
        subject: Some("Hello from posthaste".to_owned()),
        text: Some("This message went through the same code as yours will.\n.\nThe dot above ended nothing.\n".into()),
        ..Draft::default()
    };
    let recipients = draft.recipients();
    let sender = match &draft.from {
        Some(mailbox) => ReversePath::Address(mailbox.address.clone()),
        None => ReversePath::Null,
    };
    let envelope =
        Envelope::new(sender.clone(), recipients).map_err(|error| fail(Exit::Software, error.to_string()))?;
    let identity = Identity {
        caller: LazyCell::new(|| Caller { login: "alice".to_owned(), full_name: None }),
        mail_domain: "example.org".to_owned(),
        host: LazyCell::new(|| "demo.example.org".to_owned()),
    };
    let incoming = compose(draft).map_err(|error| fail(Exit::Software, error.to_string()))?;
    let rules = Rules {
        identity: &identity,
        sender: Sender::Given(&sender),
        name: None,
        recipients: Recipients::Arguments,
        fix_ups: FixUps::All,
        long_lines: LongLines::Encode,
        charset: UNKNOWN_CHARSET,
        clock: local_time,
    };
    Ok((envelope, super::submit::prepared(incoming, &rules)?.message))
}

fn demanded(offered: Login, user: &str, password: String) -> Login {
    let credential = Credential::Only { user: user.to_owned(), password: password.into() };
    match offered {
        Login::Offered { mechanisms, .. } | Login::Required { mechanisms, .. } => {
            Login::Required { mechanisms, credential }
        }
        Login::Absent => Login::Absent,
    }
}

/// A file that goes when it is dropped.
struct Temporary(std::path::PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn tempfile(text: &str) -> Result<Temporary, Vec<Failure>> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let cannot = |error: std::io::Error| fail(Exit::CannotCreate, format!("cannot make a temporary file: {error}"));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| fail(Exit::System, error.to_string()))?;
    let name = format!("posthaste-demo-{:016x}.pem", u64::from_ne_bytes(random));
    let path = std::env::temp_dir().join(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(cannot)?;
    let temporary = Temporary(path);
    file.write_all(text.as_bytes()).map_err(cannot)?;
    Ok(temporary)
}

fn sink_failure(error: SinkError) -> Vec<Failure> {
    let exit = match error {
        SinkError::NotLoopback { .. } => Exit::Usage,
        SinkError::Store { .. } => Exit::CannotCreate,
        _ => Exit::System,
    };
    fail(exit, error.to_string())
}
