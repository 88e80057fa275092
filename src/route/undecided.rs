//! Exchangers whose addresses are known, while it is decided for each domain what TLS with them must be like.
//!
//! A domain whose policy is slow to come, from a name server or a web server, holds up no other: those that are decided are
//! served meanwhile.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{BufferUnordered, Iter};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

use super::exchangers::server;
use super::guide::Guide;
use super::hosts::Hosts;
use super::policy::{self, Applied, Barred, Exchanger, Policy, Regard};
use super::work::{SIDE_BY_SIDE, side_by_side};
use super::{Hop, LogIn, Plan, Route};
use crate::config::account::Host;
use crate::dns::Security;
use crate::smtp::outcome::Cause;

/// So long all domains are waited for, so that those with the same hosts can share a session.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A domain, and its recipients.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub(super) domain: String,
    /// The name behind its aliases.
    pub(super) expanded: String,
    /// By their numbers in the envelope.
    pub(super) recipients: Vec<usize>,
}

/// Domains that name the same hosts.
pub(super) struct Group {
    pub(super) members: Vec<Member>,
    pub(super) hosts: Rc<Hosts>,
    /// Whether DNSSEC vouches for the MX records.
    pub(super) mx: Security,
    pub(super) decisions: Vec<String>,
}

/// What was decided for each host of a domain.
type Policies = Vec<Result<Policy, Barred>>;

/// A domain for which it is decided, by the numbers of its group and of its place there.
struct Decided {
    group: usize,
    at: usize,
    member: Member,
    policies: Policies,
}

/// Domains of the same hosts that can share a session; the first one's policies say what it is like.
struct Alike {
    policies: Policies,
    members: Vec<Member>,
    /// Of the other members, in their order.
    others: Vec<Policies>,
}

type Work<'g> = Pin<Box<dyn Future<Output = Decided> + 'g>>;

/// Domains for which it is being decided.
pub(super) struct Undecided<'g, 'a> {
    guide: &'g Guide<'a>,
    /// Without their members.
    groups: Vec<Group>,
    running: BufferUnordered<Iter<std::vec::IntoIter<Work<'g>>>>,
    /// Domains that are not given out yet.
    left: usize,
    decided: Vec<Decided>,
    /// Until then all are waited for.
    patient: Instant,
    /// Said of each route.
    notes: Vec<String>,
}

impl<'g, 'a> Undecided<'g, 'a> {
    pub(super) fn of(guide: &'g Guide<'a>, regard: Regard, mut groups: Vec<Group>, notes: Vec<String>) -> Self {
        let mut work: Vec<Work<'g>> = Vec::new();
        for (number, group) in groups.iter_mut().enumerate() {
            for (at, member) in std::mem::take(&mut group.members).into_iter().enumerate() {
                let (hosts, mx) = (group.hosts.clone(), group.mx);
                work.push(Box::pin(async move {
                    let policies = decide(guide, regard, &member, &hosts, mx).await;
                    Decided { group: number, at, member, policies }
                }));
            }
        }
        let left = work.len();
        let running = stream::iter(work).buffer_unordered(SIDE_BY_SIDE);
        Undecided { guide, groups, running, left, decided: Vec::new(), patient: Instant::now() + PATIENCE, notes }
    }

    /// Whether all is given out.
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The ways of all domains that are decided until nobody is to be waited for any more, and of one at least. Where this is
    /// given up on the way, nothing is lost.
    pub(super) async fn next(&mut self) -> Plan<'a> {
        loop {
            tokio::select! {
                biased;
                decided = self.running.next() => match decided {
                    Some(decided) => self.decided.push(decided),
                    None => break,
                },
                () = sleep_until(self.patient), if !self.decided.is_empty() => break,
            }
        }
        self.plan()
    }

    /// The ways of all domains.
    pub(super) async fn all(&mut self) -> Plan<'a> {
        while let Some(decided) = self.running.next().await {
            self.decided.push(decided);
        }
        self.plan()
    }

    fn plan(&mut self) -> Plan<'a> {
        let mut plan = Plan::default();
        let mut decided = std::mem::take(&mut self.decided);
        self.left = self.left.saturating_sub(decided.len());
        decided.sort_by_key(|one| (one.group, one.at));
        for some in decided.chunk_by_mut(|one, other| one.group == other.group) {
            let group = some.first().and_then(|one| self.groups.get(one.group));
            if let Some(group) = group {
                let domains =
                    some.iter_mut().map(|one| (std::mem::take(&mut one.member), std::mem::take(&mut one.policies)));
                add_ways(self.guide, group, alike(domains), &mut plan);
            }
        }
        plan.routes.iter_mut().for_each(|route| route.decisions.extend_from_slice(&self.notes));
        plan
    }
}

/// What TLS with each host of a domain must be like.
async fn decide(guide: &Guide<'_>, regard: Regard, member: &Member, hosts: &Hosts, mx: Security) -> Policies {
    let Member { domain, expanded, .. } = member;
    let hosts =
        hosts.iter().map(|(candidate, addresses)| Exchanger { domain, expanded, host: &candidate.host, mx, addresses });
    side_by_side(hosts.map(|host| policy::for_host(guide, regard, host)).collect()).await
}

fn alike(domains: impl Iterator<Item = (Member, Policies)>) -> Vec<Alike> {
    let mut alike: Vec<Alike> = Vec::new();
    for (member, policies) in domains {
        match alike.iter_mut().find(|other| are_alike(&other.policies, &policies)) {
            Some(other) => {
                other.members.push(member);
                other.others.push(policies);
            }
            None => alike.push(Alike { policies, members: vec![member], others: Vec::new() }),
        }
    }
    alike
}

/// A way for domains of a group whose policies are alike, for each of these.
fn add_ways(guide: &Guide<'_>, group: &Group, alike: Vec<Alike>, plan: &mut Plan<'_>) {
    let Guide { account, policies: of_domains, .. } = guide;
    for Alike { policies, members, others } in alike {
        let mut decisions = group.decisions.clone();
        let mut hops = Vec::new();
        let mut last = None;
        if members.len() > 1 {
            let names: Vec<&str> = members.iter().map(|member| member.domain.as_str()).collect();
            decisions.push(format!("{} have the same hosts, and share a session", names.join(", ")));
        }
        decisions.extend(members.iter().flat_map(|member| of_domains.decisions(&member.domain)));
        for (at, ((candidate, found), policy)) in group.hosts.iter().zip(policies).enumerate() {
            let others = others.iter().filter_map(|decided| decided.get(at));
            match policy {
                Ok(Policy { tls, reason, applied }) => {
                    let addresses: Vec<_> = found.records.iter().map(IpAddr::to_string).collect();
                    let sure = if found.security == Security::Secure { " (DNSSEC)" } else { "" };
                    decisions.push(format!("{}: {}{sure}; {reason}", candidate.host, addresses.join(", ")));
                    hops.push(Hop {
                        server: server(account, Host::Name(candidate.host.clone())),
                        addresses: found.records.clone(),
                        tls: Cow::Owned(tls),
                        applied: applied_to_all(applied, others),
                        login: LogIn::Never,
                    });
                }
                Err(barred) => {
                    decisions.push(format!("{} is passed over: {}", candidate.host, words(&barred.cause)));
                    last = Some(barred.cause.clone());
                    plan.barred.push(barred);
                    plan.barred.extend(others.filter_map(|decided| decided.clone().err()));
                }
            }
        }
        match (hops.is_empty(), last) {
            (true, Some(cause)) => {
                for Member { domain, recipients, .. } in members {
                    plan.refuse(recipients, domain, cause.clone(), decisions.clone());
                }
            }
            _ => {
                let groups = members.into_iter().map(|member| member.recipients).collect();
                plan.routes.push(Route { groups, hops, decisions });
            }
        }
    }
}

/// Whether a session can serve two domains with the same hosts.
fn are_alike(one: &Policies, other: &Policies) -> bool {
    one.iter().zip(other).all(|pair| match pair {
        (Ok(one), Ok(other)) => one.is_alike(other),
        (Err(one), Err(other)) => one.cause == other.cause,
        _ => false,
    })
}

/// The policies of all domains that share a session with one host.
fn applied_to_all<'d>(first: Applied, others: impl Iterator<Item = &'d Result<Policy, Barred>>) -> Vec<Applied> {
    let others = others.filter_map(|decided| decided.as_ref().ok().map(|policy| policy.applied.clone()));
    std::iter::once(first).chain(others).collect()
}

fn words(cause: &Cause) -> String {
    match cause {
        Cause::NoRoute(why) => why.words.clone(),
        Cause::Unreachable(words) | Cause::NoSuchHost(words) | Cause::Tls(words) => words.clone(),
        _ => "it must not be used".to_owned(),
    }
}
