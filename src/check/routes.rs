//! Where a message would go, and whether somebody listens there: `posthaste route`.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::milliseconds;
use crate::config::account::{Account, Scheme, TlsPolicy};
use crate::envelope::Envelope;
use crate::failure::{self, Exit, Failure};
use crate::net::socket;
use crate::route::policy::Regard;
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
    let mut reports = Vec::new();
    for relay in &account.servers {
        let all = (0..envelope.recipients().len()).collect();
        let Plan { routes, unroutable, .. } = route::ways(relay, &guide, Regard::Kept, envelope, all).await.all().await;
        for Route { groups, hops, decisions } in routes {
            let mut hosts = Vec::new();
            for hop in &hops {
                hosts.push(host(account, hop).await);
            }
            let listens = hosts.iter().any(|host| host.error.is_none());
            let exit = if listens { Exit::Success } else { Exit::TemporaryFailure };
            let recipients = named(&groups.concat());
            reports.push(RouteReport { recipients, decisions, hosts, error: None, hint: None, exit });
        }
        for Unroutable { recipients, place, trouble, decisions } in unroutable {
            let exit = failure::exit_of_verdict(&trouble.clone().verdict());
            let Failure { message, hint, .. } = super::as_failure(trouble, &place);
            let recipients = named(&recipients);
            reports.push(RouteReport { recipients, decisions, hosts: Vec::new(), error: Some(message), hint, exit });
        }
    }
    reports
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
