//! The mail exchangers of the recipients' domains (RFC 5321 section 5.1, RFC 7505).

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::guide::Guide;
use super::hosts::{Candidate, MOST_HOSTS, SMTP, usable};
use super::names::is_own_address;
use super::order::{Chance, by_preference};
use super::policy::{self, Applied, Barred, Exchanger, Policy, Regard};
use super::work::side_by_side;
use super::{Hop, LogIn, Plan, Route, Unroutable, no_route};
use crate::config::account::{Account, Endpoint, Host, Scheme, Server, TlsPolicy};
use crate::dns::{Answer, Bare, Found, Mx, Resolver, Security, Target};
use crate::envelope::{Envelope, ReversePath};
use crate::smtp::outcome::{Cause, NoRouteKind, Trouble};
use crate::smtp::stage::Stage;

/// How long is waited for what is only a warning.
const WARNING: Duration = Duration::from_secs(1);

/// Where a recipient's mail goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Destination {
    /// To the exchangers of a domain.
    Domain(String),
    /// To an address (RFC 5321 section 4.1.3).
    Literal(IpAddr),
    /// Nowhere: why.
    Nowhere(String),
}

/// What is known of a domain.
struct Known {
    candidates: Vec<Candidate>,
    mx: Security,
    /// The name behind its aliases.
    expanded: String,
    decisions: Vec<String>,
}

/// A domain, and its recipients.
struct Member {
    domain: String,
    /// The name behind its aliases.
    expanded: String,
    /// By their numbers in the envelope.
    recipients: Vec<usize>,
}

/// What was decided for each host of a domain.
type Decided = Vec<Result<Policy, Barred>>;

/// Domains of the same hosts that can share a session; the first one's policies say what it is like.
struct Alike {
    policies: Decided,
    members: Vec<Member>,
    /// Of the other members, in their order.
    others: Vec<Decided>,
}

/// Finds the ways.
pub(super) async fn plan<'a>(guide: &Guide<'a>, regard: Regard, envelope: &Envelope, open: Vec<usize>) -> Plan<'a> {
    let resolver = &guide.resolver;
    let mut plan = Plan::default();
    let mut domains: Vec<(String, Vec<usize>)> = Vec::new();
    for (destination, recipients) in grouped(envelope, open) {
        match destination {
            Destination::Domain(domain) => domains.push((domain, recipients)),
            Destination::Literal(address) => literal(guide, address, recipients, &mut plan).await,
            Destination::Nowhere(place) => {
                let words = format!("{place} is nowhere that mail can be sent to");
                plan.refuse(recipients, place, no_route(NoRouteKind::NoDomain, words), Vec::new());
            }
        }
    }
    let has_domains = !domains.is_empty();
    let look_up = async |domain| {
        let early = async {
            if regard == Regard::Kept {
                guide.policies.ask_early(domain, resolver).await;
            }
        };
        tokio::join!(exchangers(domain, resolver), early).0
    };
    let look_ups = side_by_side(domains.iter().map(|(domain, _)| look_up(domain)).collect());
    let warning = async {
        if has_domains { timeout(WARNING, null_mx_of_sender(envelope, resolver)).await.ok().flatten() } else { None }
    };
    let (known, warning) = tokio::join!(look_ups, warning);
    // Domains with the same hosts have the same way.
    let mut alike: Vec<(Vec<Member>, Known)> = Vec::new();
    for ((domain, recipients), known) in domains.into_iter().zip(known) {
        let known = match known {
            Ok(known) => known,
            Err((cause, decisions)) => {
                plan.refuse(recipients, domain, cause, decisions);
                continue;
            }
        };
        let same = |other: &Known| other.candidates == known.candidates && other.mx == known.mx;
        let member = Member { domain, expanded: known.expanded.clone(), recipients };
        match alike.iter_mut().find(|(_, other)| same(other)) {
            Some((members, other)) => {
                other.decisions.extend(known.decisions);
                members.push(member);
            }
            None => alike.push((vec![member], known)),
        }
    }
    let ways = alike.into_iter().map(|(members, known)| way(guide, regard, members, known)).collect();
    for part in side_by_side(ways).await {
        plan.routes.extend(part.routes);
        plan.unroutable.extend(part.unroutable);
        plan.barred.extend(part.barred);
    }
    let notes: Vec<String> = without_dane(guide).filter(|_| has_domains).into_iter().chain(warning).collect();
    plan.routes.iter_mut().for_each(|route| route.decisions.extend_from_slice(&notes));
    plan
}

impl Plan<'_> {
    fn refuse(&mut self, recipients: Vec<usize>, place: String, cause: Cause, decisions: Vec<String>) {
        let trouble = Trouble { stage: Stage::Route, cause };
        self.unroutable.push(Unroutable { recipients, place, trouble, decisions });
    }
}

/// Recipients by where their mail goes, in the order of the envelope.
fn grouped(envelope: &Envelope, open: Vec<usize>) -> Vec<(Destination, Vec<usize>)> {
    let mut groups: Vec<(Destination, Vec<usize>)> = Vec::new();
    let mut places: HashMap<Destination, usize> = HashMap::new();
    for at in open {
        let Some(recipient) = envelope.recipients().get(at) else { continue };
        let destination = match recipient.domain() {
            None => Destination::Nowhere(recipient.as_str().to_owned()),
            Some(domain) => match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                None => Destination::Domain(domain.to_ascii_lowercase()),
                Some(literal) => {
                    address(literal).map_or_else(|| Destination::Nowhere(domain.to_owned()), Destination::Literal)
                }
            },
        };
        let place = *places.entry(destination.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, recipients)) => recipients.push(at),
            None => groups.push((destination, vec![at])),
        }
    }
    groups
}

/// What stands in the brackets of a literal, where it is an address.
fn address(literal: &str) -> Option<IpAddr> {
    match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => literal.get(5..)?.parse().ok().map(IpAddr::V6),
        _ => literal.parse().ok().map(IpAddr::V4),
    }
}

/// An address needs no look-up, and no policy speaks of it (RFC 7672 section 2.2.1, RFC 8461 section 3.4).
async fn literal<'a>(guide: &Guide<'a>, address: IpAddr, recipients: Vec<usize>, plan: &mut Plan<'a>) {
    let account = guide.account;
    let place = format!("[{address}]");
    if account.mx_port == SMTP && is_own_address(address) {
        let words = format!("{place} is this machine itself");
        return plan.refuse(recipients, place, no_route(NoRouteKind::Loop, words), Vec::new());
    }
    let found = Found {
        records: vec![address],
        ttl: std::time::Duration::MAX,
        security: Security::Insecure,
        name: address.to_string(),
    };
    let domain = &place;
    let host = Exchanger { domain, expanded: domain, host: &found.name, mx: Security::Insecure, addresses: &found };
    match policy::for_host(guide, Regard::Kept, host).await {
        Ok(Policy { tls, reason, .. }) => {
            let decisions = vec![format!("{place}: the address itself; {reason}")];
            let server = server(account, Host::Address(address));
            let tls = Cow::Owned(tls);
            let hops = vec![Hop { server, addresses: vec![address], tls, applied: Vec::new(), login: LogIn::Never }];
            plan.routes.push(Route { groups: vec![recipients], hops, decisions });
        }
        Err(barred) => plan.refuse(recipients, place, barred.cause, Vec::new()),
    }
}

fn server(account: &Account, host: Host) -> Server {
    Server { scheme: Scheme::Smtp, endpoint: Endpoint::Tcp { host, port: account.mx_port }, user: None }
}

/// The hosts that a domain names, in order but for chance.
async fn exchangers(domain: &str, resolver: &Resolver<'_>) -> Result<Known, (Cause, Vec<String>)> {
    let mut decisions = Vec::new();
    let refused = |kind, words, decisions| Err((no_route(kind, words), decisions));
    let Found { records, security, name, .. } = match resolver.mx(domain).await {
        Ok(Answer::Found(found)) => found,
        Ok(Answer::NoData(Bare { name, security })) => {
            decisions.push(format!("{domain}: no MX records, so {name} itself"));
            let candidates = vec![Candidate { preference: 0, host: name.clone() }];
            return Ok(Known { candidates, mx: security, expanded: name, decisions });
        }
        Ok(Answer::NoName) => return refused(NoRouteKind::NoDomain, format!("there is no domain {domain}"), decisions),
        Err(error) => return refused(NoRouteKind::Unknown, error.to_string(), decisions),
    };
    if name != domain {
        decisions.push(format!("{domain} is an alias of {name}"));
    }
    if matches!(&records[..], [Mx { exchange: Target::None, .. }]) {
        let words = format!("{domain} takes no mail: its MX record says so");
        return refused(NoRouteKind::NullMx, words, decisions);
    }
    let mut candidates = Vec::new();
    for Mx { preference, exchange } in records {
        match exchange {
            Target::Host(host) => candidates.push(Candidate { preference, host }),
            Target::None => decisions.push(format!("{domain}: MX {preference} . among others is passed over")),
            Target::Unusable(shown) => {
                decisions.push(format!("{domain}: MX {preference} {shown} is no host name, and is passed over"));
            }
        }
    }
    candidates.sort();
    candidates.dedup();
    // A host that is named twice is tried by its better preference.
    let mut seen = std::collections::HashSet::new();
    candidates.retain(|candidate| seen.insert(candidate.host.clone()));
    if candidates.is_empty() {
        let words = format!("no MX record of {domain} names a host");
        return refused(NoRouteKind::NoDomain, words, decisions);
    }
    let shown: Vec<_> =
        candidates.iter().take(MOST_HOSTS).map(|one| format!("{} {}", one.preference, one.host)).collect();
    let more = if candidates.len() > MOST_HOSTS { ", …" } else { "" };
    let sure = if security == Security::Secure { " (DNSSEC)" } else { "" };
    decisions.push(format!("{domain}: MX {}{more}{sure}", shown.join(", ")));
    Ok(Known { candidates, mx: security, expanded: name, decisions })
}

/// The way for domains that name the same hosts, or several where what TLS must be like differs.
async fn way<'a>(guide: &Guide<'a>, regard: Regard, members: Vec<Member>, known: Known) -> Plan<'a> {
    let Guide { account, resolver, policies: of_domains } = guide;
    let Known { candidates, mx, mut decisions, .. } = known;
    let mut plan = Plan::default();
    let ordered = by_preference(candidates, |one| one.preference, &mut Chance::new());
    let hosts = match usable(account, resolver, ordered, &mut decisions).await {
        Ok(hosts) => hosts,
        Err(cause) => {
            for Member { domain, recipients, .. } in members {
                plan.refuse(recipients, domain, cause.clone(), decisions.clone());
            }
            return plan;
        }
    };
    // By what TLS must be like with each host.
    let mut alike: Vec<Alike> = Vec::new();
    let decide = async |member: &Member| {
        let Member { domain, expanded, .. } = member;
        let of_hosts = hosts.iter().map(|(candidate, addresses)| {
            let host = Exchanger { domain, expanded, host: &candidate.host, mx, addresses };
            policy::for_host(guide, regard, host)
        });
        side_by_side(of_hosts.collect()).await
    };
    let decided = side_by_side(members.iter().map(decide).collect()).await;
    for (member, policies) in members.into_iter().zip(decided) {
        match alike.iter_mut().find(|other| are_alike(&other.policies, &policies)) {
            Some(other) => {
                other.members.push(member);
                other.others.push(policies);
            }
            None => alike.push(Alike { policies, members: vec![member], others: Vec::new() }),
        }
    }
    for Alike { policies, members, others } in alike {
        let mut decisions = decisions.clone();
        let mut hops = Vec::new();
        let mut last = None;
        if members.len() > 1 {
            let names: Vec<&str> = members.iter().map(|member| member.domain.as_str()).collect();
            decisions.push(format!("{} have the same hosts, and share a session", names.join(", ")));
        }
        decisions.extend(members.iter().flat_map(|member| of_domains.decisions(&member.domain)));
        for (at, ((candidate, found), policy)) in hosts.iter().zip(policies).enumerate() {
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
    plan
}

/// Whether a session can serve two domains with the same hosts.
fn are_alike(one: &Decided, other: &Decided) -> bool {
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

/// Where nobody is trusted with DNSSEC, who would have DANE is told so (RFC 7672 section 2.1).
fn without_dane(guide: &Guide<'_>) -> Option<String> {
    if guide.account.tls.on_exchangers == TlsPolicy::None {
        return None;
    }
    let servers = guide.resolver.untrusted()?;
    Some(format!("DANE is not used: nothing that {servers} says of DNSSEC is believed (the key dns-trust)"))
}

/// Servers refuse mail that could not be answered (RFC 7505 section 4.2).
async fn null_mx_of_sender(envelope: &Envelope, resolver: &Resolver<'_>) -> Option<String> {
    let ReversePath::Address(sender) = envelope.sender() else { return None };
    let domain = sender.domain().filter(|domain| !domain.starts_with('['))?;
    match resolver.mx(domain).await {
        Ok(Answer::Found(Found { records, .. })) if matches!(&records[..], [Mx { exchange: Target::None, .. }]) => {
            Some(format!(
                "the sender's domain {domain} takes no mail, and servers may refuse its own for that (5.7.27)"
            ))
        }
        _ => None,
    }
}
