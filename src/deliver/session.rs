//! One session with one host: what it is told of the account, and the verdicts that it brings.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;

use tokio::time::Instant;

use super::memory::Remembered;
use super::series::{Elsewhere, Letters, Series};
use super::side::Voice;
use super::tls_reports::Watch;
use super::{Attempt, Job};
use crate::config::account::{self, Account, Endpoint, Host, Mechanisms, Scheme, TlsPolicy};
use crate::envelope::Envelope;
use crate::message::{Facts, Source};
use crate::net::Notice;
use crate::net::drive::{Means, Messages, drive};
use crate::net::socket::{self, Connection};
use crate::net::stop::unless;
use crate::net::tls::Connector;
use crate::route::{Hop, LogIn};
use crate::smtp::memory::Memory;
use crate::smtp::outcome::{Cause, Trouble, Verdict};
use crate::smtp::sasl::{BY_STRENGTH, Mechanism, Nonce};
use crate::smtp::session::{
    Caution, Chunking, ClearText, EightBit, LoginMode, Namesake, Partial, Protocol, Purpose, Session, Settings, TlsMode,
};
use crate::smtp::stage::Stage;
use crate::system;

/// What a session needs to know of an account that speaks to a host.
pub fn settings(account: &Account, hop: &Hop<'_>, local: Option<IpAddr>, caution: Caution) -> Settings {
    let server = &hop.server;
    Settings {
        protocol: match server.scheme {
            Scheme::Lmtp => Protocol::Lmtp,
            Scheme::Submissions | Scheme::Submission | Scheme::Smtp => Protocol::Smtp,
        },
        hello: hello(account, local),
        tls: match (hop.tls.policy_for(server), server.scheme) {
            (TlsPolicy::None, _) => TlsMode::None,
            (_, Scheme::Submissions) => TlsMode::Implicit,
            (TlsPolicy::Required, _) => TlsMode::Required,
            (TlsPolicy::Opportunistic, _) => TlsMode::Opportunistic,
        },
        login: login(account, hop),
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
        namesake: match hop.login {
            LogIn::AsAccount => Namesake::Fine,
            LogIn::Never => Namesake::Loop,
        },
        caution,
        memory: Memory::default(),
    }
}

/// Who logs in to a server.
pub(super) fn user<'a>(account: &'a Account, hop: &'a Hop<'_>) -> Option<&'a str> {
    let login = account.login.as_ref().filter(|_| hop.login == LogIn::AsAccount)?;
    Some(hop.server.user.as_ref().unwrap_or(&login.user))
}

/// What one connection brought.
pub(super) struct Attempted {
    /// For each recipient of all envelopes, in order; none for those whose turn did not come.
    pub(super) verdicts: Vec<Option<Verdict>>,
    pub(super) retry: Caution,
    /// Who answered.
    pub(super) peer: Option<SocketAddr>,
}

/// Where, how, and to whom.
pub(super) struct Stretch<'a> {
    pub(super) hop: &'a Hop<'a>,
    /// Addresses of the host that are still to be tried.
    pub(super) addresses: &'a [IpAddr],
    pub(super) connector: Option<&'a Connector>,
    /// Each with a transaction of its own; at least one.
    pub(super) envelopes: VecDeque<Envelope>,
    pub(super) caution: Caution,
    pub(super) elsewhere: Elsewhere,
    /// Messages behind the first are for the account's own servers.
    pub(super) letters: Option<&'a mut (dyn Letters + 'a)>,
}

pub(super) async fn one_session(job: &Job<'_>, stretch: Stretch<'_>, voice: Voice<'_, '_>) -> Attempted {
    let Stretch { hop, addresses, connector, mut envelopes, caution, elsewhere, letters } = stretch;
    let begun = Instant::now();
    let server_label = hop.server.to_string();
    let recipients: Vec<_> = envelopes.iter().flat_map(|envelope| envelope.recipients()).cloned().collect();
    let Some(envelope) = envelopes.pop_front() else {
        return Attempted { verdicts: Vec::new(), retry: Caution::None, peer: None };
    };
    voice.notice(Notice::Connecting { server: server_label.clone() });
    let limit = job.account.timeouts.connect;
    let connected = {
        let connecting = pin!(async {
            match addresses {
                [] => socket::connect(&hop.server.endpoint, &job.account.reach, limit).await,
                known => socket::connect_to(known, &hop.server.endpoint, &job.account.reach, limit).await,
            }
        });
        unless(job.stop, connecting).await
    };
    let connected = connected.unwrap_or_else(|stopped| Err(Cause::Stopped(stopped.name())));
    let attempt = match connected {
        Err(cause) => {
            let verdict = Trouble { stage: Stage::Connect, cause }.verdict();
            Attempted { verdicts: vec![Some(verdict); recipients.len()], retry: Caution::None, peer: None }
        }
        Ok(Connection { stream, peer: answered, local }) => {
            let peer = answered.address();
            let connected = Notice::Connected { peer: answered, local };
            let mut watch = Watch::of(job, hop, caution);
            watch.notice(&connected);
            voice.notice(connected);
            let mut settings = settings(job.account, hop, local.map(|local| local.ip()), caution);
            let remembered = Remembered::of(job.account, hop, &settings);
            settings.memory = remembered.as_ref().map(Remembered::recall).unwrap_or_default();
            let timeouts = job.account.timeouts_with(&hop.server);
            let first = envelope.recipients().len();
            let mut session = Session::new(settings, Purpose::Submit(envelope, job.facts));
            let letters = letters.filter(|_| hop.login == LogIn::AsAccount);
            let mut message = job.message.reader();
            let mut series = None;
            let mut parts = None;
            let mut source = None;
            match letters {
                Some(letters) => series = Some(Series::new(letters, &mut message, elsewhere)),
                None if !envelopes.is_empty() => {
                    parts = Some(Parts { source: &mut message, facts: job.facts, waiting: envelopes });
                }
                None => source = Some(&mut message as &mut dyn Source),
            }
            let more = match (&mut series, &mut parts) {
                (Some(series), _) => Some(series as &mut dyn Messages),
                (None, Some(parts)) => Some(parts as &mut dyn Messages),
                (None, None) => None,
            };
            if more.is_some() {
                session.expect_more();
            }
            let means = Means {
                connector,
                secret: job.account.login.as_ref().and_then(|login| login.secret.as_ref()),
                source,
                signer: job.signer,
                more,
                size: job.facts.size,
                timeouts: &timeouts,
                detail: job.detail,
                stop: job.stop,
            };
            let mut tell = |notice| {
                watch.notice(&notice);
                voice.notice(notice);
            };
            drive(stream, &mut session, means, &mut tell).await;
            if let Some(remembered) = remembered {
                remembered.remember(session.memory());
            }
            let all = session.verdicts();
            let (own, others) = all.split_at(if series.is_some() { first.min(all.len()) } else { all.len() });
            if let Some(series) = series {
                let took = begun.elapsed();
                series.finish(others, &server_label, |envelope, size, verdicts| {
                    voice.message(size);
                    for (recipient, verdict) in envelope.recipients().iter().zip(verdicts) {
                        voice.attempt(&Attempt { recipient, server: &server_label, peer, verdict, took });
                    }
                });
            }
            let lost = Trouble { stage: Stage::Quit, cause: Cause::Lost("the session has no verdict".to_owned()) };
            let mut verdicts: Vec<Option<Verdict>> = own
                .iter()
                .map(|verdict| Some(verdict.clone().unwrap_or_else(|| Verdict::Deferred(lost.clone()))))
                .collect();
            verdicts.resize(recipients.len(), None);
            watch.finish(&recipients, &verdicts, voice).await;
            Attempted { verdicts, retry: session.retry(), peer }
        }
    };
    let took = begun.elapsed();
    voice.message(job.facts.size);
    for (recipient, verdict) in recipients.iter().zip(&attempt.verdicts) {
        if let Some(verdict) = verdict {
            voice.attempt(&Attempt { recipient, server: &server_label, peer: attempt.peer, verdict, took });
        }
    }
    attempt
}

/// The same message to several domains, a transaction for each.
struct Parts<'a> {
    source: &'a mut (dyn Source + 'a),
    facts: Facts,
    waiting: VecDeque<Envelope>,
}

impl Messages for Parts<'_> {
    fn next(&mut self, _: &[Option<Verdict>]) -> Option<Purpose> {
        self.waiting.pop_front().map(|envelope| Purpose::Submit(envelope, self.facts))
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut *self.source
    }
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

fn login(account: &Account, hop: &Hop<'_>) -> LoginMode {
    let server = &hop.server;
    let Some(login) = account.login.as_ref().filter(|_| hop.login == LogIn::AsAccount) else { return LoginMode::None };
    let mechanisms = match &login.mechanisms {
        // A certificate that was made for it comes first, and costs nothing where the server does not take it.
        Mechanisms::Auto if hop.tls.cert.is_some() => [&[Mechanism::External], BY_STRENGTH].concat(),
        Mechanisms::Auto => BY_STRENGTH.to_vec(),
        Mechanisms::Named(names) => names.iter().filter_map(|name| Mechanism::named(name)).collect(),
    };
    let place = match &server.endpoint {
        Endpoint::Tcp { host: Host::Name(name), port } => Some((name.clone(), *port)),
        Endpoint::Tcp { host: Host::Address(address), port } => Some((address.to_string(), *port)),
        Endpoint::Unix(_) => None,
    };
    // A password without TLS stays on this machine, or is not sent (RFC 4954 section 14).
    let clear_text = match (server.is_here(&account.reach.via), hop.tls.policy_for(server)) {
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
