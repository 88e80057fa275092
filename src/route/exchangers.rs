//! The mail exchangers of the recipients' domains (RFC 5321 section 5.1, RFC 7505).

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;

use super::guide::Guide;
use super::hosts::{Candidate, MOST_HOSTS, SMTP, no_hosts, usable};
use super::names::is_own_address;
use super::order::{Chance, by_preference};
use super::policy::{self, Exchanger, Policy, Regard};
use super::undecided::{Group, Member, PATIENCE, Undecided};
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

/// Finds the ways, but for what TLS on them must be like. What leads nowhere, or to an address, is in the plan at once.
pub(super) async fn ways<'g, 'a>(
    guide: &'g Guide<'a>,
    regard: Regard,
    envelope: &Envelope,
    open: Vec<usize>,
) -> (Plan<'a>, Undecided<'g, 'a>) {
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
                // One that is slow to come is asked for again where nobody else waits for it.
                let _ = timeout(PATIENCE, guide.policies.ask_early(domain, resolver)).await;
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
    let groups = side_by_side(alike.into_iter().map(|(members, known)| group(guide, members, known)).collect()).await;
    let mut found = Vec::new();
    for group in groups {
        match group {
            Ok(group) => found.push(group),
            Err(refused) => plan.unroutable.extend(refused.unroutable),
        }
    }
    let notes: Vec<String> = without_dane(guide).filter(|_| has_domains).into_iter().chain(warning).collect();
    plan.routes.iter_mut().for_each(|route| route.decisions.extend_from_slice(&notes));
    (plan, Undecided::of(guide, regard, found, notes))
}

impl Plan<'_> {
    pub(super) fn refuse(&mut self, recipients: Vec<usize>, place: String, cause: Cause, decisions: Vec<String>) {
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

pub(super) fn server(account: &Account, host: Host) -> Server {
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
    let mut unusable = Vec::new();
    for Mx { preference, exchange } in records {
        match exchange {
            Target::Host(host) => candidates.push(Candidate { preference, host }),
            Target::None => unusable.push(format!("{domain}: MX {preference} . among others")),
            Target::Unusable(shown) => unusable.push(format!("{domain}: MX {preference} {shown}")),
        }
    }
    decisions.extend(no_hosts(unusable));
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

/// The hosts of domains that name the same ones.
///
/// # Errors
/// The plan in which these domains are refused.
async fn group<'a>(guide: &Guide<'a>, members: Vec<Member>, known: Known) -> Result<Group, Plan<'a>> {
    let Guide { account, resolver, .. } = guide;
    let Known { candidates, mx, mut decisions, .. } = known;
    let ordered = by_preference(candidates, |one| one.preference, &mut Chance::new());
    match usable(account, resolver, ordered, &mut decisions).await {
        Ok(hosts) => Ok(Group { members, hosts: Rc::new(hosts), mx, decisions }),
        Err(cause) => {
            let mut plan = Plan::default();
            for Member { domain, recipients, .. } in members {
                plan.refuse(recipients, domain, cause.clone(), decisions.clone());
            }
            Err(plan)
        }
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
