//! What is recorded of one session with a mail exchanger (RFC 8460 section 4.3).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::day::now;
use super::failure::{FailureType, not_offered, of_cause, of_fault, of_flaw, of_trouble};
use crate::config::account::{Endpoint, Host, Server};
use crate::net::Notice;
use crate::net::notice::TlsFault;
use crate::route::policy::{Applied, Barred, Flaw, PolicyKind};
use crate::smtp::outcome::Verdict;
use crate::smtp::stage::Stage;

/// One session with one exchanger, or the decision to begin none, as it counts for one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// When, in seconds since 1970.
    pub time: u64,
    /// The recipients' domain, whose owner is told.
    pub domain: String,
    /// By what kind of policy.
    pub policy_type: PolicyType,
    /// The domain that the policy is of.
    pub policy_domain: String,
    /// What the policy says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_string: Vec<String>,
    /// The hosts that an MTA-STS policy allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mx_host: Vec<String>,
    /// Why it was no success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// With whom.
    pub session: Ends,
}

/// The kinds of policies as reports name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyType {
    /// TLSA records.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither.
    NoPolicyFound,
}

/// Why a session was no success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// What it is called.
    pub result_type: FailureType,
    /// What happened, in words.
    pub reason: String,
}

/// The two ends of a session, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ends {
    /// Our own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_mta_ip: Option<IpAddr>,
    /// The exchanger as its MX record names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving_mx_hostname: Option<String>,
    /// What it calls itself in its greeting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving_mx_helo: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving_ip: Option<IpAddr>,
}

/// Octets of a text in an event. A record may hold a certificate, and a reason a reply.
const TEXT: usize = 1024;
/// Texts of a policy in an event: more than there are in those of one (`dane::SHOWN`, `sts::REPORTED`).
const TEXTS: usize = 50;

impl Event {
    /// Just now nobody connected to a host, for what a policy says.
    pub fn of_barred(barred: &Barred) -> Self {
        let Barred { host, cause, applied } = barred;
        let failure = applied.flaw.as_ref().map_or_else(|| of_cause(applied.kind, cause), of_flaw);
        Event::now(applied, Ends { receiving_mx_hostname: Some(host.clone()), ..Ends::default() }, Some(failure))
    }

    /// What happened just now, by this policy.
    fn now(applied: &Applied, session: Ends, failure: Option<Failure>) -> Self {
        let short = |texts: &[String]| texts.iter().take(TEXTS).map(|text| shortened(text)).collect();
        Event {
            time: now(),
            domain: applied.recipients.clone(),
            policy_type: match applied.kind {
                PolicyKind::Tlsa => PolicyType::Tlsa,
                PolicyKind::Sts => PolicyType::Sts,
                PolicyKind::NoPolicyFound => PolicyType::NoPolicyFound,
            },
            policy_domain: applied.domain.clone(),
            policy_string: short(&applied.strings),
            mx_host: short(&applied.mx),
            failure: failure.map(|failure| Failure { reason: shortened(&failure.reason), ..failure }),
            session,
        }
    }
}

fn shortened(text: &str) -> String {
    match text.len() {
        ..=TEXT => text.to_owned(),
        _ => text[..text.floor_char_boundary(TEXT)].to_owned() + "…",
    }
}

/// A session while it lasts: notices go in, and what it was like comes out.
#[derive(Debug)]
pub struct Seen {
    ends: Ends,
    handshake: Option<Result<(), TlsFault>>,
}

impl Seen {
    /// A session with this host is about to begin.
    pub fn of(server: &Server) -> Self {
        let host = match &server.endpoint {
            Endpoint::Tcp { host: Host::Name(name), .. } => Some(name.clone()),
            Endpoint::Tcp { .. } | Endpoint::Unix(_) => None,
        };
        Seen { ends: Ends { receiving_mx_hostname: host, ..Ends::default() }, handshake: None }
    }

    /// Something happened.
    pub fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Connected { peer, local } => {
                self.ends.receiving_ip = peer.address().map(|address| address.ip().to_canonical());
                // Behind a proxy, the exchanger has seen another address than our own.
                let own = local.filter(|_| self.ends.receiving_ip.is_some());
                self.ends.sending_mta_ip = own.map(|address| address.ip().to_canonical());
            }
            Notice::Server(line) if self.ends.receiving_mx_helo.is_none() => {
                let name = line.get(4..).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
                self.ends.receiving_mx_helo = Some(shortened(name));
            }
            // The first fault counts: whatever comes after it is in spite of it.
            Notice::Handshake(ended) if !matches!(self.handshake, Some(Err(_))) => {
                self.handshake = Some(ended.clone());
            }
            _ => {}
        }
    }

    /// What is to be recorded of the session by one of its policies, with its verdicts; nothing where it did not come so
    /// far that there would have been TLS.
    pub fn event(&self, applied: &Applied, verdicts: &[Option<Verdict>]) -> Option<Event> {
        let failure = match &self.handshake {
            Some(Ok(())) => None,
            Some(Err(fault)) => Some(of_fault(fault)),
            None => Some(without_handshake(verdicts)?),
        };
        let flaw = applied.flaw.as_ref().map(of_flaw);
        let failure = match (applied.kind, &applied.flaw) {
            // It could not be fetched anew, which explains nothing of a session by the one that was kept.
            (PolicyKind::Sts, Some(Flaw::StsFetch(_) | Flaw::StsInvalid(_) | Flaw::StsWebPki(_))) => failure.or(flaw),
            // What is wrong with a policy explains what comes of it.
            _ => flaw.or(failure),
        };
        let ends = self.ends.clone();
        Some(Event::now(applied, Ends { receiving_mx_helo: self.helo(), ..ends }, failure))
    }

    fn helo(&self) -> Option<String> {
        self.ends.receiving_mx_helo.clone().filter(|name| !name.is_empty())
    }
}

/// Why there was no handshake, where the session came as far as that.
fn without_handshake(verdicts: &[Option<Verdict>]) -> Option<Failure> {
    verdicts.iter().flatten().find_map(|verdict| match verdict {
        Verdict::Accepted(_) => Some(not_offered()),
        Verdict::Deferred(trouble) | Verdict::Failed(trouble) => of_trouble(trouble).or(match trouble.stage {
            Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Chunk | Stage::Body | Stage::EndOfData | Stage::Reset => {
                Some(not_offered())
            }
            _ => None,
        }),
    })
}
