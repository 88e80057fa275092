//! The steps of a connection, reported one by one: `posthaste check`.
//!
//! It connects, does TLS and logs in, as a submission would, and sends no message.

mod routes;

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::config::account::{Account, Timeouts};
use crate::deliver::{Remembered, Witness, settings};
use crate::dns::Resolver;
use crate::failure::{self, Failure};
use crate::net::Notice;
use crate::net::drive::{Detail, Means, drive};
use crate::net::notice::{CertificateFacts, TlsFacts};
use crate::net::socket::{self, Connection};
use crate::net::tls::{Connector, UnusableTls};
use crate::route::{self, Hop};
use crate::smtp::capabilities::Size;
use crate::smtp::outcome::{Cause, Trouble, Verdict};
use crate::smtp::question::Question;
use crate::smtp::reply::Reply;
use crate::smtp::session::{Caution, EarlyProbe, Purpose, Session};
use crate::smtp::stage::Stage;

pub use self::routes::{HostReport, RouteReport, routes};

/// What was seen of one server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerReport {
    /// The server as configured, `host:port`.
    pub server: String,
    /// Whether a message could be submitted, as far as one can see without sending it.
    pub ok: bool,
    /// The steps, in the order in which they were taken.
    pub steps: Vec<Step>,
    /// TLS, where it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsReport>,
    /// The server's certificate, where it was refused. Whoever showed it may not have its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_certificate: Option<CertificateReport>,
    /// What the server offers by its last EHLO, in its own words.
    pub capabilities: Vec<String>,
    /// Mechanisms for the login that it offers.
    pub mechanisms: Vec<String>,
    /// Largest message in octets; absent where the server names no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Most recipients in one transaction, by the account.
    pub max_recipients: usize,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A cure, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The exit code that this trouble means.
    #[serde(skip)]
    pub exit: failure::Exit,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// `connect`, `greeting`, `ehlo`, `starttls`, `tls`, `xclient`, `early-mail` (MAIL before the login) or `login`.
    pub step: &'static str,
    /// How long it took.
    #[serde(serialize_with = "milliseconds", rename = "milliseconds")]
    pub took: Duration,
    /// What came of it: an address, a reply, a mechanism.
    pub result: String,
}

/// TLS and the server's certificate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TlsReport {
    /// `TLS 1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// Group of the key exchange.
    pub group: String,
    /// `verified`, `pinned` or `not verified`.
    pub check: &'static str,
    /// The server's certificate.
    #[serde(flatten)]
    pub certificate: CertificateReport,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateReport {
    /// Whose certificate it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: String,
    /// SHA-256 of the public key: a value for `tls-pin`.
    pub pin: String,
}

/// Tries every server of the account.
///
/// # Errors
/// [`UnusableTls`] when the account's TLS files cannot be used.
pub async fn check(account: &Account, witness: &mut dyn Witness) -> Result<Vec<ServerReport>, UnusableTls> {
    let mut reports = Vec::new();
    let resolver = Resolver::new(&account.dns, &account.tls);
    for relay in &account.servers {
        let (hops, decisions) = route::servers(relay, account, &resolver).await;
        decisions.into_iter().for_each(|decision| witness.notice(Notice::Note(decision)));
        match hops {
            Ok(hops) => {
                for hop in &hops {
                    reports.push(match check_one(account, hop, EarlyProbe::Asked, witness).await? {
                        Seen::Whole(report) => report,
                        Seen::GoneAtProbe(report) => match check_one(account, hop, EarlyProbe::Left, witness).await? {
                            Seen::Whole(again) => again,
                            Seen::GoneAtProbe(_) => report,
                        },
                    });
                }
            }
            Err(trouble) => reports.push(Steps::new().report(relay.to_string(), account, None, Some(trouble))),
        }
    }
    Ok(reports)
}

/// What one connection has shown.
enum Seen {
    Whole(ServerReport),
    /// The server went away when it was asked about MAIL before the login, which is its right.
    GoneAtProbe(ServerReport),
}

async fn check_one(
    account: &Account,
    hop: &Hop<'_>,
    early: EarlyProbe,
    witness: &mut dyn Witness,
) -> Result<Seen, UnusableTls> {
    let connector = Connector::for_server(&hop.tls, &hop.server)?;
    let label = hop.server.to_string();
    let mut steps = Steps::new();
    witness.notice(Notice::Connecting { server: label.clone() });
    Ok(match connected(account, hop).await {
        Err(cause) => {
            let trouble = Trouble { stage: Stage::Connect, cause };
            Seen::Whole(steps.report(label, account, None, Some(trouble)))
        }
        Ok(Connection { stream, peer, local }) => {
            let connected = Notice::Connected { peer, local };
            steps.notice(&connected);
            witness.notice(connected);
            let local = local.map(|local| local.ip());
            let mut settings = settings(account, hop, local, Caution::None);
            let remembered = Remembered::of(account, hop, &settings);
            settings.memory = remembered.as_ref().map(Remembered::recall).unwrap_or_default();
            let mut session = Session::new(settings, Purpose::Probe(early));
            let timeouts = account.timeouts_with(&hop.server);
            let means = means(account, connector.as_ref(), &timeouts);
            let mut tell = |notice: Notice| {
                steps.notice(&notice);
                witness.notice(notice);
            };
            drive(stream, &mut session, means, &mut tell).await;
            if let Some(remembered) = remembered {
                remembered.remember(session.memory());
            }
            let stage = session.trouble().map(|trouble| trouble.stage);
            let report = steps.report(label, account, Some(&session), session.trouble().cloned());
            match (early, stage) {
                (EarlyProbe::Asked, Some(Stage::Mail | Stage::Reset)) => Seen::GoneAtProbe(report),
                _ => Seen::Whole(report),
            }
        }
    })
}

async fn connected(account: &Account, hop: &Hop<'_>) -> Result<Connection, Cause> {
    socket::connect_to(&hop.addresses, &hop.server.endpoint, &account.reach, account.timeouts.connect).await
}

/// What came of questions.
pub struct Asked {
    /// The server that was asked.
    pub server: String,
    /// Its answers, in the order of the questions.
    pub answers: Vec<Reply>,
    /// Why there are no more of them.
    pub failure: Option<Failure>,
}

/// Asks the first server of the account with which a session comes about.
///
/// # Errors
/// [`UnusableTls`] when the account's TLS files cannot be used.
pub async fn ask(account: &Account, questions: &[Question], witness: &mut dyn Witness) -> Result<Asked, UnusableTls> {
    let mut last = Asked { server: String::new(), answers: Vec::new(), failure: None };
    let resolver = Resolver::new(&account.dns, &account.tls);
    for relay in &account.servers {
        let (hops, decisions) = route::servers(relay, account, &resolver).await;
        decisions.into_iter().for_each(|decision| witness.notice(Notice::Note(decision)));
        let hops = hops.unwrap_or_else(|trouble| {
            last.server = relay.to_string();
            last.failure = Some(as_failure(trouble, &last.server));
            Vec::new()
        });
        for hop in &hops {
            let trouble = ask_one(account, hop, questions, &mut last, witness).await?;
            last.failure = trouble.map(|trouble| as_failure(trouble, &last.server));
            if last.failure.is_none() || !last.answers.is_empty() {
                return Ok(last);
            }
        }
    }
    Ok(last)
}

async fn ask_one(
    account: &Account,
    hop: &Hop<'_>,
    questions: &[Question],
    last: &mut Asked,
    witness: &mut dyn Witness,
) -> Result<Option<Trouble>, UnusableTls> {
    let connector = Connector::for_server(&hop.tls, &hop.server)?;
    last.server = hop.server.to_string();
    witness.notice(Notice::Connecting { server: last.server.clone() });
    Ok(match connected(account, hop).await {
        Err(cause) => Some(Trouble { stage: Stage::Connect, cause }),
        Ok(Connection { stream, peer, local }) => {
            witness.notice(Notice::Connected { peer, local });
            let settings = settings(account, hop, local.map(|local| local.ip()), Caution::None);
            let mut session = Session::new(settings, Purpose::Ask(questions.to_vec()));
            let timeouts = account.timeouts_with(&hop.server);
            let means = means(account, connector.as_ref(), &timeouts);
            drive(stream, &mut session, means, &mut |notice| witness.notice(notice)).await;
            last.answers = session.answers().to_vec();
            session.trouble().cloned()
        }
    })
}

/// What a session without a message needs.
fn means<'a>(account: &'a Account, connector: Option<&'a Connector>, timeouts: &'a Timeouts) -> Means<'a> {
    Means {
        connector,
        secret: account.login.as_ref().and_then(|login| login.secret.as_ref()),
        source: None,
        signer: None,
        more: None,
        size: 0,
        timeouts,
        detail: Detail::Full,
        stop: None,
    }
}

/// Puts steps together from notices.
struct Steps {
    steps: Vec<Step>,
    since: Instant,
    last_client: String,
    /// The last one that was tried.
    mechanism: Option<String>,
    tls: Option<TlsFacts>,
    refused: Option<CertificateFacts>,
}

impl Steps {
    fn new() -> Self {
        Steps {
            steps: Vec::new(),
            since: Instant::now(),
            last_client: String::new(),
            mechanism: None,
            tls: None,
            refused: None,
        }
    }

    fn finish(&mut self, step: &'static str, result: String) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        self.steps.push(Step { step, took, result });
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Connected { peer, .. } => self.finish("connect", peer.to_string()),
            Notice::Secured(facts) => {
                self.finish("tls", format!("{}, {}, {}", facts.version, facts.cipher, facts.group));
                self.tls = Some(facts.clone());
            }
            Notice::Refused(facts) => self.refused = Some(facts.clone()),
            // The secret is masked in the line already; the mechanism is all that is shown of it.
            Notice::Client(line) => {
                if let Some(rest) = line.strip_prefix("AUTH ") {
                    self.mechanism = rest.split(' ').next().map(str::to_owned);
                }
                self.last_client.clone_from(line);
            }
            // Only the last line of a reply ends a step.
            Notice::Server(line) if line.as_bytes().get(3) != Some(&b'-') => {
                let step = match self.last_client.split(' ').next() {
                    Some("") | None => "greeting",
                    Some("EHLO" | "HELO" | "LHLO") => "ehlo",
                    Some("STARTTLS") => "starttls",
                    Some("XCLIENT") => "xclient",
                    Some("MAIL") => "early-mail",
                    Some("RSET") => return,
                    Some("QUIT") => return,
                    _ if line.starts_with("334") => return,
                    _ => "login",
                };
                let result = match step {
                    "ehlo" => self.last_client.clone(),
                    "login" => format!("{}: {line}", self.mechanism.as_deref().unwrap_or_default()),
                    _ => line.clone(),
                };
                self.finish(step, result);
            }
            _ => {}
        }
    }

    fn report(
        self,
        server: String,
        account: &Account,
        session: Option<&Session>,
        trouble: Option<Trouble>,
    ) -> ServerReport {
        let capabilities = session.map(Session::capabilities).cloned().unwrap_or_default();
        let failure = trouble.map(|trouble| as_failure(trouble, &server));
        ServerReport {
            ok: failure.is_none(),
            steps: self.steps,
            tls: self.tls.map(TlsReport::from),
            refused_certificate: self.refused.map(CertificateReport::from),
            max_size: match capabilities.size {
                Size::Limit(limit) => Some(limit),
                _ => None,
            },
            capabilities: capabilities.lines,
            mechanisms: capabilities.auth,
            max_recipients: account.max_recipients,
            exit: failure.as_ref().map_or(failure::Exit::Success, |failure| failure.exit),
            error: failure.as_ref().map(|failure| failure.message.clone()),
            hint: failure.and_then(|failure| failure.hint),
            server,
        }
    }
}

fn as_failure(trouble: Trouble, server: &str) -> Failure {
    let message = failure::what(&trouble, server);
    let hint = crate::hints::for_trouble(&trouble, server);
    let exit = failure::exit_of_verdict(&Verdict::Deferred(trouble));
    Failure { exit, message, hint }
}

impl From<TlsFacts> for TlsReport {
    fn from(facts: TlsFacts) -> Self {
        TlsReport {
            version: facts.version,
            cipher: facts.cipher,
            group: facts.group,
            check: facts.check,
            certificate: facts.certificate.into(),
        }
    }
}

impl From<CertificateFacts> for CertificateReport {
    fn from(facts: CertificateFacts) -> Self {
        let CertificateFacts { subject, issuer, names, not_after, not_after_unix: _, pin } = facts;
        CertificateReport { subject, issuer, names, not_after, pin }
    }
}

fn milliseconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1e6).round() / 1e3)
}
