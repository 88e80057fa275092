//! One message over its servers, to a verdict for each recipient.

mod series;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

pub use self::series::{Letter, Letters};

use self::series::{Elsewhere, Series};
use crate::address::Address;
use crate::config::account::{self, Account, Endpoint, Host, Mechanisms, Scheme, Server, TlsPolicy};
use crate::envelope::Envelope;
use crate::message::dkim::Signer;
use crate::message::{Facts, Source};
use crate::net::Notice;
use crate::net::drive::{Detail, Means, Messages, drive};
use crate::net::socket::{self, Connection};
use crate::net::tls::{Connector, Connectors, UnusableTls};
use crate::smtp::outcome::{Cause, Trouble, Verdict};
use crate::smtp::reply::Class;
use crate::smtp::sasl::{BY_STRENGTH, Mechanism, Nonce};
use crate::smtp::session::{
    Caution, Chunking, ClearText, EightBit, LoginMode, Partial, Protocol, Purpose, Session, Settings, TlsMode,
};
use crate::smtp::stage::Stage;
use crate::system;

/// Whoever wants to know what happens, as it happens.
pub trait Witness {
    /// The attempts that follow are of a message of so many octets.
    fn message(&mut self, size: u64) {
        let _ = size;
    }
    /// Something happened on a connection.
    fn notice(&mut self, notice: Notice);
    /// A recipient has a verdict from one attempt. There may be another attempt after a deferral.
    fn attempt(&mut self, attempt: &Attempt<'_>);
}

/// One attempt for one recipient.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// The recipient.
    pub recipient: &'a Address,
    /// The server as configured: `host:port`, or the path of a socket.
    pub server: &'a str,
    /// The address that answered, where there is one.
    pub peer: Option<SocketAddr>,
    /// What came of it.
    pub verdict: &'a Verdict,
    /// How long it took, from the first look-up on.
    pub took: Duration,
}

/// What became of a recipient in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The recipient.
    pub recipient: Address,
    /// The verdict.
    pub verdict: Verdict,
    /// The server that it comes from: `host:port`, or the path of a socket.
    pub server: String,
}

/// What is to be delivered.
pub struct Job<'a> {
    /// The account that sends.
    pub account: &'a Account,
    /// The envelope.
    pub envelope: &'a Envelope,
    /// What the message is like.
    pub facts: Facts,
    /// The message.
    pub source: &'a mut (dyn Source + 'a),
    /// Who signs a message anew that had to be re-encoded, where the account signs.
    pub signer: Option<&'a Signer>,
    /// Other messages of the same account, for the same session.
    pub letters: Option<&'a mut (dyn Letters + 'a)>,
    /// TLS, as other jobs of this process may have used it already.
    pub connectors: &'a mut Connectors,
    /// How much the witness wants to know.
    pub detail: Detail,
}

/// Most connections to one server that teach something about it: one, and one more for what the first has taught. Those
/// that bring a part of the message's recipients to their end do not count.
const CONNECTIONS: usize = 2;

/// Submits a message: each server of the account in turn, until every recipient is accepted or refused for good.
/// A recipient whose message was sent whole is never tried again here, so nothing is doubled.
///
/// # Errors
/// [`UnusableTls`] when the account's TLS files cannot be used; nothing was sent then.
pub async fn deliver(mut job: Job<'_>, witness: &mut dyn Witness) -> Result<Vec<Outcome>, UnusableTls> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; job.envelope.recipients().len()];
    // Each attempt with a wrong password counts towards a lock-out.
    let mut refused: Vec<&str> = Vec::new();
    for server in &job.account.servers {
        let user = user(job.account, server);
        if user.is_some_and(|user| refused.contains(&user)) {
            continue;
        }
        let connector = job.connectors.for_server(&job.account.tls, server)?;
        let mut caution = Caution::None;
        let mut lessons = 0;
        while lessons < CONNECTIONS {
            let open: Vec<usize> = (0..outcomes.len()).filter(|&at| may_try(outcomes[at].as_ref())).collect();
            let Some(envelope) = job.envelope.part(&open) else { break };
            let before = open.len();
            let attempt = one_session(&mut job, server, connector.as_deref(), envelope, caution, witness).await;
            if attempt.verdicts.iter().any(is_login_refused) {
                refused.extend(user);
            }
            for (at, verdict) in open.into_iter().zip(attempt.verdicts) {
                let recipient = job.envelope.recipients()[at].clone();
                let outcome = Outcome { recipient, verdict, server: server.to_string() };
                outcomes[at] = Some(match outcomes[at].take() {
                    Some(before) if is_better(&before.verdict, &outcome.verdict) => before,
                    _ => outcome,
                });
            }
            if attempt.retry == Caution::None {
                break;
            }
            caution = attempt.retry;
            let left = outcomes.iter().filter(|outcome| may_try(outcome.as_ref())).count();
            if caution != Caution::Rest || left == before {
                lessons += 1;
            }
        }
        if !outcomes.iter().any(|outcome| may_try(outcome.as_ref())) {
            break;
        }
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// What a session needs to know of an account that speaks to one of its servers.
pub fn settings(account: &Account, server: &Server, local: Option<IpAddr>, caution: Caution) -> Settings {
    Settings {
        protocol: match server.scheme {
            Scheme::Lmtp => Protocol::Lmtp,
            Scheme::Submissions | Scheme::Submission | Scheme::Smtp => Protocol::Smtp,
        },
        hello: hello(account, local),
        tls: match (account.tls.policy_for(server), server.scheme) {
            (TlsPolicy::None, _) => TlsMode::None,
            (_, Scheme::Submissions) => TlsMode::Implicit,
            (TlsPolicy::Required, _) => TlsMode::Required,
            (TlsPolicy::Opportunistic, _) => TlsMode::Opportunistic,
        },
        login: login(account, server),
        max_recipients: account.max_recipients,
        partial: match account.partial {
            account::Partial::Deliver => Partial::Deliver,
            account::Partial::AllOrNone => Partial::AllOrNone,
        },
        eight_bit: match account.eight_bit {
            account::EightBit::Encode => EightBit::Encode,
            account::EightBit::Send => EightBit::Send,
            account::EightBit::Refuse => EightBit::Refuse,
        },
        chunking: match account.chunking {
            account::Chunking::Auto => Chunking::Needed,
            account::Chunking::Never => Chunking::Never,
            account::Chunking::Always => Chunking::AfterRecipients,
            account::Chunking::SameFlight => Chunking::SameFlight,
        },
        xclient: account.xclient.clone(),
        caution,
    }
}

/// Whether there is something left to do for a recipient: not once it is accepted, refused, or perhaps delivered, and
/// not when the server has judged the message itself. The refusal of a server to speak to us is none of the recipient
/// (RFC 5321 section 4.2.1).
fn may_try(outcome: Option<&Outcome>) -> bool {
    outcome.is_none_or(|outcome| leaves_hope(&outcome.verdict))
}

/// The same of a verdict.
fn leaves_hope(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Accepted(_) => false,
        Verdict::Failed(trouble) => is_about_host(trouble),
        Verdict::Deferred(trouble) => {
            trouble.stage != Stage::EndOfData
                && !matches!(trouble.cause, Cause::Unreadable(_) | Cause::Injected | Cause::NoPassword(_))
        }
    }
}

/// Whether nothing was tried that has to do with a message: another one would fare no better.
pub fn is_before_message(verdict: &Verdict) -> bool {
    let (Verdict::Deferred(trouble) | Verdict::Failed(trouble)) = verdict else { return false };
    use Stage::{Auth, Connect, Greeting, Handshake, Hello, StartTls, Xclient};
    matches!(trouble.stage, Connect | Greeting | Hello(_) | StartTls | Handshake | Xclient | Auth)
}

fn is_about_host(trouble: &Trouble) -> bool {
    matches!(trouble.stage, Stage::Greeting | Stage::Hello(_) | Stage::Xclient)
        // What one server does not offer, another may.
        || matches!(
            trouble.cause,
            Cause::NotOffered(_)
                | Cause::TlsOnTheWay
                | Cause::TooSoon { .. }
                | Cause::HeldTooLong { .. }
                | Cause::Utf8Address
        )
}

fn is_login_refused(verdict: &Verdict) -> bool {
    let (Verdict::Deferred(trouble) | Verdict::Failed(trouble)) = verdict else { return false };
    let refused = trouble.reply().is_some_and(|reply| reply.class() == Class::Permanent);
    trouble.stage == Stage::Auth && refused
}

/// Whether an earlier verdict is to be kept: where one server may still take the message, the refusal of another to
/// speak to us is not the end.
fn is_better(before: &Verdict, after: &Verdict) -> bool {
    matches!((before, after), (Verdict::Deferred(_), Verdict::Failed(trouble)) if is_about_host(trouble))
}

/// Who logs in to a server.
fn user<'a>(account: &'a Account, server: &'a Server) -> Option<&'a str> {
    let login = account.login.as_ref()?;
    Some(server.user.as_ref().unwrap_or(&login.user))
}

/// What one connection brought.
struct Attempted {
    verdicts: Vec<Verdict>,
    retry: Caution,
}

async fn one_session(
    job: &mut Job<'_>,
    server: &Server,
    connector: Option<&Connector>,
    envelope: Envelope,
    caution: Caution,
    witness: &mut dyn Witness,
) -> Attempted {
    let begun = Instant::now();
    let server_label = server.to_string();
    let recipients = envelope.recipients().to_vec();
    witness.notice(Notice::Connecting { server: server_label.clone() });
    let mut peer = None;
    let connected = socket::connect(&server.endpoint, &job.account.reach, job.account.timeouts.connect).await;
    let attempt = match connected {
        Err(cause) => {
            let verdict = Trouble { stage: Stage::Connect, cause }.verdict();
            Attempted { verdicts: vec![verdict; recipients.len()], retry: Caution::None }
        }
        Ok(Connection { stream, peer: answered, local }) => {
            peer = answered.address();
            witness.notice(Notice::Connected { peer: answered, local });
            let settings = settings(job.account, server, local.map(|local| local.ip()), caution);
            let mut session = Session::new(settings, Purpose::Submit(envelope, job.facts));
            let (mut series, source) = match &mut job.letters {
                Some(letters) => {
                    let elsewhere = match job.account.servers.len() {
                        0 | 1 => Elsewhere::Nowhere,
                        _ => Elsewhere::Servers,
                    };
                    (Some(Series::new(&mut **letters, &mut *job.source, elsewhere)), None)
                }
                None => (None, Some(&mut *job.source as &mut dyn Source)),
            };
            if series.is_some() {
                session.expect_more();
            }
            let timeouts = job.account.timeouts_with(server);
            let means = Means {
                connector,
                secret: job.account.login.as_ref().and_then(|login| login.secret.as_ref()),
                source,
                signer: job.signer,
                more: series.as_mut().map(|series| series as &mut dyn Messages),
                size: job.facts.size,
                timeouts: &timeouts,
                detail: job.detail,
            };
            drive(stream, &mut session, means, &mut |notice| witness.notice(notice)).await;
            let lost = Trouble { stage: Stage::Quit, cause: Cause::Lost("the session has no verdict".to_owned()) };
            let (own, others) = session.verdicts().split_at(recipients.len().min(session.verdicts().len()));
            if let Some(series) = series {
                let took = begun.elapsed();
                series.finish(others, &server_label, |envelope, size, verdicts| {
                    witness.message(size);
                    for (recipient, verdict) in envelope.recipients().iter().zip(verdicts) {
                        witness.attempt(&Attempt { recipient, server: &server_label, peer, verdict, took });
                    }
                });
            }
            Attempted {
                verdicts: own
                    .iter()
                    .map(|verdict| verdict.clone().unwrap_or_else(|| Verdict::Deferred(lost.clone())))
                    .collect(),
                retry: session.retry(),
            }
        }
    };
    let took = begun.elapsed();
    witness.message(job.facts.size);
    for (recipient, verdict) in recipients.iter().zip(&attempt.verdicts) {
        witness.attempt(&Attempt { recipient, server: &server_label, peer, verdict, took });
    }
    attempt
}

/// The argument of EHLO: as configured, else the machine's full name, else the address that the connection has here
/// (RFC 5321 section 4.1.4).
fn hello(account: &Account, local: Option<IpAddr>) -> String {
    let local = local.unwrap_or(Ipv4Addr::LOCALHOST.into());
    account.hostname.clone().or_else(system::full_host_name).unwrap_or_else(|| literal(local))
}

/// An address as it stands in a mail address (RFC 5321 section 4.1.3).
fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// What a login by SCRAM must have of its own; nothing where the system gives no random numbers.
fn nonce() -> Option<Nonce> {
    let mut octets = [0; 24];
    getrandom::fill(&mut octets).ok()?;
    Some(Nonce::from_octets(&octets))
}

fn login(account: &Account, server: &Server) -> LoginMode {
    let Some(login) = &account.login else { return LoginMode::None };
    let mechanisms = match &login.mechanisms {
        // A certificate that was made for it comes first, and costs nothing where the server does not take it.
        Mechanisms::Auto if account.tls.cert.is_some() => [&[Mechanism::External], BY_STRENGTH].concat(),
        Mechanisms::Auto => BY_STRENGTH.to_vec(),
        Mechanisms::Named(names) => names.iter().filter_map(|name| Mechanism::named(name)).collect(),
    };
    let place = match &server.endpoint {
        Endpoint::Tcp { host: Host::Name(name), port } => Some((name.clone(), *port)),
        Endpoint::Tcp { host: Host::Address(address), port } => Some((address.to_string(), *port)),
        Endpoint::Unix(_) => None,
    };
    // A password without TLS stays on this machine, or is not sent (RFC 4954 section 14).
    let clear_text = match (server.is_here(&account.reach.via), account.tls.policy_for(server)) {
        (true, TlsPolicy::None) => ClearText::Allowed,
        _ => ClearText::Never,
    };
    let user = server.user.as_ref().unwrap_or(&login.user).clone();
    LoginMode::As { user, mechanisms, clear_text, nonce: nonce(), server: place }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-034: an IPv4 address is one also where the socket is for both families.
    #[test]
    fn address_literals_have_the_form_of_the_standard() {
        for (address, shown) in [
            ("192.0.2.1", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
            ("::ffff:10.0.0.5", "[10.0.0.5]"),
            ("::1", "[IPv6:::1]"),
        ] {
            assert_eq!(literal(address.parse().unwrap()), shown);
        }
    }
}
