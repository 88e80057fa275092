//! Where a message would go, and whether somebody listens there: `posthaste route`.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use super::milliseconds;
use crate::config::account::{Account, Scheme, TlsPolicy};
use crate::envelope::Envelope;
use crate::failure::{self, Exit, Failure};
use crate::net::socket;
use crate::route::policy::Regard;
use crate::route::sts::InForce;
use crate::route::{self, Guide, Hop, Plan, Route, Unroutable};
use crate::smtp::outcome::Trouble;
use crate::smtp::stage::Stage;

/// The way for some of the recipients.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouteReport {
    /// For whom.
    pub recipients: Vec<String>,
    /// What was found and decided, in order.
    pub decisions: Vec<String>,
    /// The hosts that would be tried, in order.
    pub hosts: Vec<HostReport>,
    /// The MTA-STS policies in force that were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mta_sts: Vec<StsReport>,
    /// Why there is no way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A cure, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The exit code that this means: success if one of the hosts listens.
    #[serde(skip)]
    pub exit: Exit,
}

/// An MTA-STS policy (RFC 8461 section 3.2).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StsReport {
    /// The domain that has it.
    pub domain: String,
    /// What its record calls it.
    pub id: String,
    /// `enforce`, `testing` or `none`.
    pub mode: &'static str,
    /// The hosts that it names, `*` for one label.
    pub hosts: Vec<String>,
    /// How long it is kept, in seconds.
    pub max_age: u64,
    /// How long ago it was fetched, in seconds.
    pub age: u64,
}

/// One host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostReport {
    /// `host:port`, or the path of a socket.
    pub server: String,
    /// Its addresses, where they were looked up.
    pub addresses: Vec<String>,
    /// `implicit`, `required`, `opportunistic` or `none`.
    pub tls: &'static str,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// How long that took, or until it was given up.
    #[serde(serialize_with = "milliseconds", rename = "milliseconds")]
    pub took: Duration,
    /// Why nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A cure, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Finds the ways by which each entry of the key `server` would take the message, and connects to their hosts. Nothing is
/// said on the connections.
pub async fn routes(account: &Account, envelope: &Envelope) -> Vec<RouteReport> {
    let guide = Guide::new(account);
    let named = |recipients: &[usize]| -> Vec<String> {
        recipients.iter().filter_map(|at| envelope.recipients().get(*at)).map(ToString::to_string).collect()
    };
    let policies = |recipients: &[usize]| -> Vec<StsReport> {
        let recipients = recipients.iter().filter_map(|at| envelope.recipients().get(*at));
        let mut domains: Vec<String> = recipients.filter_map(|one| one.domain()).map(str::to_ascii_lowercase).collect();
        domains.sort_unstable();
        domains.dedup();
        domains.into_iter().filter_map(|domain| policy(&guide, domain)).collect()
    };
    let mut reports = Vec::new();
    for relay in &account.servers {
        let all = (0..envelope.recipients().len()).collect();
        let Plan { routes, unroutable, .. } = route::ways(relay, &guide, Regard::Kept, envelope, all).await.all().await;
        for Route { groups, hops, decisions } in routes {
            // At the same time, so that the time that a dead one takes is not added up.
            let hosts = join_all(hops.iter().map(|hop| host(account, hop))).await;
            let listens = hosts.iter().any(|host| host.error.is_none());
            let exit = if listens { Exit::Success } else { Exit::TemporaryFailure };
            let recipients = groups.concat();
            let (recipients, mta_sts) = (named(&recipients), policies(&recipients));
            reports.push(RouteReport { recipients, decisions, hosts, mta_sts, error: None, hint: None, exit });
        }
        for Unroutable { recipients, place, trouble, decisions } in unroutable {
            let exit = failure::exit_of_verdict(&trouble.clone().verdict());
            let Failure { message, hint, .. } = super::as_failure(trouble, &place);
            let (recipients, mta_sts) = (named(&recipients), policies(&recipients));
            let (hosts, error) = (Vec::new(), Some(message));
            reports.push(RouteReport { recipients, decisions, hosts, mta_sts, error, hint, exit });
        }
    }
    reports
}

fn policy(guide: &Guide<'_>, domain: String) -> Option<StsReport> {
    let policy = guide.policy(&domain)?;
    let age = policy.age().as_secs();
    let InForce { file, id, .. } = policy;
    let hosts = file.mx.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let (mode, max_age) = (file.mode.word(), file.max_age.as_secs());
    Some(StsReport { domain, id, mode, hosts, max_age, age })
}

async fn host(account: &Account, hop: &Hop<'_>) -> HostReport {
    let begun = Instant::now();
    let server = hop.server.to_string();
    let limit = account.timeouts.connect;
    let connected = socket::connect_to(&hop.addresses, &hop.server.endpoint, &account.reach, limit).await;
    let took = begun.elapsed();
    let (peer, failure) = match connected {
        Ok(connection) => (Some(connection.peer.to_string()), None),
        Err(cause) => (None, Some(super::as_failure(Trouble { stage: Stage::Connect, cause }, &server))),
    };
    HostReport {
        addresses: hop.addresses.iter().map(ToString::to_string).collect(),
        tls: match (hop.tls.policy_for(&hop.server), hop.server.scheme) {
            (TlsPolicy::None, _) => "none",
            (_, Scheme::Submissions) => "implicit",
            (TlsPolicy::Required, _) => "required",
            (TlsPolicy::Opportunistic, _) => "opportunistic",
        },
        peer,
        took,
        error: failure.as_ref().map(|failure| failure.message.clone()),
        hint: failure.and_then(|failure| failure.hint),
        server,
    }
}
