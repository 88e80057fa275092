//! Where a message goes: what an account says, made into routes for the recipients of an envelope.
//!
//! A smarthost makes one route with one hop, and nobody is asked for it. The servers of a domain (SRV) make one route, with
//! hops in the order of their records. Mail exchangers make a route for each domain, or for several that have the same ones;
//! domains whose policies are late have theirs later, so that the others need not wait for them.

mod dane;
mod exchangers;
mod guide;
mod hosts;
mod names;
mod order;
pub mod policy;
mod services;
pub mod sts;
mod undecided;
mod work;

use std::borrow::Cow;
use std::net::IpAddr;

pub use self::guide::Guide;

use self::policy::{Applied, Barred, Regard};
use self::undecided::Undecided;
use crate::config::account::{Account, Relay, Server, Tls};
use crate::dns::Resolver;
use crate::envelope::Envelope;
use crate::smtp::outcome::{Cause, NoRoute, NoRouteKind, Trouble};
use crate::smtp::stage::Stage;

/// What is to be done for recipients.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// Ways, for different recipients each.
    pub routes: Vec<Route<'a>>,
    /// Recipients to whom there is none.
    pub unroutable: Vec<Unroutable>,
    /// Hosts that a policy forbids, and that the ways pass over.
    pub barred: Vec<Barred>,
}

/// What is to be done for recipients, as it becomes known: plans for different recipients each.
pub struct Ways<'g, 'a> {
    /// What is known and not given out yet.
    ready: Option<Plan<'a>>,
    undecided: Option<Undecided<'g, 'a>>,
}

/// A way for recipients that can share a session.
#[derive(Debug)]
pub struct Route<'a> {
    /// Recipients by their numbers in the envelope, in groups that have a transaction of their own each; no group is empty.
    pub groups: Vec<Vec<usize>>,
    /// Hosts, tried in this order.
    pub hops: Vec<Hop<'a>>,
    /// How this came to be, for people.
    pub decisions: Vec<String>,
}

/// A host that may take the message.
#[derive(Clone, Debug)]
pub struct Hop<'a> {
    /// How to speak to it.
    pub server: Server,
    /// Its addresses, in order; none where the system is to look its name up.
    pub addresses: Vec<IpAddr>,
    /// TLS with it.
    pub tls: Cow<'a, Tls>,
    /// By which policies TLS is as it is, one for each domain of the recipients; none where it is not looked up.
    pub applied: Vec<Applied>,
    /// Whether the account logs in there.
    pub login: LogIn,
}

/// Whether somebody logs in to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogIn {
    /// As the account says.
    AsAccount,
    /// Nobody does.
    Never,
}

/// Recipients to whom there is no way.
#[derive(Clone, Debug)]
pub struct Unroutable {
    /// By their numbers in the envelope.
    pub recipients: Vec<usize>,
    /// Where no way leads: a domain, or the name of a service.
    pub place: String,
    /// Why.
    pub trouble: Trouble,
    /// How this came to be, for people.
    pub decisions: Vec<String>,
}

impl<'a> Hop<'a> {
    /// A server that is configured by its name or address.
    pub fn configured(account: &'a Account, server: &Server) -> Self {
        let tls = Cow::Borrowed(&account.tls);
        Hop { server: server.clone(), addresses: Vec::new(), tls, applied: Vec::new(), login: LogIn::AsAccount }
    }
}

impl Plan<'_> {
    /// Those for whom it says what is to be done.
    pub fn recipients(&self) -> impl Iterator<Item = usize> {
        let with_a_way = self.routes.iter().flat_map(|route| route.groups.iter().flatten());
        with_a_way.chain(self.unroutable.iter().flat_map(|dead_end| &dead_end.recipients)).copied()
    }
}

impl<'a> Ways<'_, 'a> {
    fn whole(plan: Plan<'a>) -> Self {
        Ways { ready: Some(plan), undecided: None }
    }

    /// Whether there is nothing more to come.
    pub fn is_done(&self) -> bool {
        self.ready.is_none() && self.undecided.is_none()
    }

    /// What is known, as soon as there is something; an empty plan at the end. All are waited for a short time, so that there
    /// is one plan alone where nothing is slow. Where this is given up on the way, nothing is lost.
    pub async fn next(&mut self) -> Plan<'a> {
        let mut plan = Plan::default();
        if let Some(undecided) = &mut self.undecided {
            plan = undecided.next().await;
            if undecided.is_empty() {
                self.undecided = None;
            }
        }
        self.behind_ready(plan)
    }

    /// All of it.
    pub async fn all(mut self) -> Plan<'a> {
        let plan = match &mut self.undecided {
            Some(undecided) => undecided.all().await,
            None => Plan::default(),
        };
        self.behind_ready(plan)
    }

    fn behind_ready(&mut self, more: Plan<'a>) -> Plan<'a> {
        let Some(mut plan) = self.ready.take() else { return more };
        plan.routes.extend(more.routes);
        plan.unroutable.extend(more.unroutable);
        plan.barred.extend(more.barred);
        plan
    }
}

/// Finds the ways for some of the recipients, by their numbers. What was found out is told as it is.
pub async fn ways<'g, 'a>(
    relay: &'a Relay,
    guide: &'g Guide<'a>,
    regard: Regard,
    envelope: &Envelope,
    open: Vec<usize>,
) -> Ways<'g, 'a> {
    let Guide { account, resolver, .. } = guide;
    match relay {
        Relay::Server(server) => {
            let hops = vec![Hop::configured(account, server)];
            let routes = vec![Route { groups: vec![open], hops, decisions: Vec::new() }];
            Ways::whole(Plan { routes, ..Plan::default() })
        }
        Relay::Service(service) => {
            let (found, decisions) = services::hops(service, account, resolver).await;
            Ways::whole(match found {
                Ok(hops) => Plan { routes: vec![Route { groups: vec![open], hops, decisions }], ..Plan::default() },
                Err(cause) => {
                    let trouble = Trouble { stage: Stage::Route, cause };
                    let place = service.record();
                    let unroutable = vec![Unroutable { recipients: open, place, trouble, decisions }];
                    Plan { unroutable, ..Plan::default() }
                }
            })
        }
        Relay::Exchangers => {
            let (plan, undecided) = exchangers::ways(guide, regard, envelope, open).await;
            Ways { ready: Some(plan), undecided: (!undecided.is_empty()).then_some(undecided) }
        }
    }
}

/// The hosts that one entry of the key `server` names, for whoever sends no message; with what was found out about them.
///
/// # Errors
/// Why there is none. Mail exchangers are those of a recipient, and there is none here.
pub async fn servers<'a>(
    relay: &'a Relay,
    account: &'a Account,
    resolver: &Resolver<'_>,
) -> (Result<Vec<Hop<'a>>, Trouble>, Vec<String>) {
    let failed = |cause| Trouble { stage: Stage::Route, cause };
    match relay {
        Relay::Server(server) => (Ok(vec![Hop::configured(account, server)]), Vec::new()),
        Relay::Service(service) => {
            let (found, decisions) = services::hops(service, account, resolver).await;
            (found.map_err(failed), decisions)
        }
        Relay::Exchangers => {
            let words = "which exchangers take the mail depends on the recipient".to_owned();
            (Err(failed(no_route(NoRouteKind::NoDomain, words))), Vec::new())
        }
    }
}

fn no_route(kind: NoRouteKind, words: String) -> Cause {
    Cause::NoRoute(NoRoute { kind, words })
}
