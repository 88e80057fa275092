//! The hosts of a domain that can be tried: those that have addresses, up to this machine itself.

use std::net::IpAddr;

use super::names::{OwnNames, is_own_address};
use super::no_route;
use super::work::side_by_side;
use crate::config::account::{Account, Family};
use crate::dns::{Answer, Found, LookupError, Resolver};
use crate::smtp::outcome::{Cause, NoRouteKind};

/// Hosts of a domain that are tried. A domain with a thousand must not hold us.
pub(super) const MOST_HOSTS: usize = 10;
/// How often so many are looked up, where those before have no address.
const ROUNDS: usize = 5;
/// The port that makes a host with an address of this machine this machine's own server.
pub(super) const SMTP: u16 = 25;

/// A host as MX records name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) preference: u16,
    pub(super) host: String,
}

/// Hosts in the order in which they are tried, with what was found of each.
pub(super) type Hosts = Vec<(Candidate, Found<IpAddr>)>;

/// Looks up the hosts of a domain that are in order already.
///
/// # Errors
/// Why none of them can be tried.
pub(super) async fn usable(
    account: &Account,
    resolver: &Resolver<'_>,
    mut ordered: Vec<Candidate>,
    decisions: &mut Vec<String>,
) -> Result<Hosts, Cause> {
    let names = OwnNames::of(account);
    // This machine is known by its name, whatever DNS has to say of its addresses.
    let mut own = ordered.iter().find(|one| names.has(&one.host)).cloned();
    if let Some(own) = &own {
        ordered.retain(|one| one.preference < own.preference);
    }
    let count = ordered.len();
    let mut ordered = ordered.into_iter();
    let mut hosts = Hosts::new();
    let mut unknown: Option<LookupError> = None;
    for _ in 0..ROUNDS {
        let some: Vec<Candidate> = ordered.by_ref().take(MOST_HOSTS).collect();
        let look_ups = some.iter().map(|one| resolver.addresses(&one.host, account.reach.family)).collect();
        let answers = side_by_side(look_ups).await;
        for (candidate, answer) in some.into_iter().zip(answers) {
            let host = &candidate.host;
            let found = match answer {
                Ok(Answer::Found(found)) => found,
                Ok(Answer::NoName | Answer::NoData(_)) => {
                    decisions.push(format!("{host} is passed over: it has no {}", address(account)));
                    continue;
                }
                Err(error) => {
                    decisions.push(format!("{host} is passed over: {error}"));
                    unknown.get_or_insert(error);
                    continue;
                }
            };
            let has_own = account.mx_port == SMTP && found.records.iter().any(|address| is_own_address(*address));
            if has_own || names.has(&found.name) {
                own = own.filter(|own| own.preference <= candidate.preference).or(Some(candidate));
                continue;
            }
            if found.name != *host {
                decisions.push(format!("{host} is an alias of {}, which RFC 5321 does not allow", found.name));
            }
            hosts.push((candidate, found));
        }
        if let Some(own) = &own {
            hosts.retain(|(candidate, _)| candidate.preference < own.preference);
        }
        if !hosts.is_empty() || ordered.len() == 0 {
            break;
        }
    }
    if let Some(own) = &own {
        decisions.push(format!("{} is this machine: it, and all that are no better, are passed over", own.host));
    }
    match (hosts.is_empty(), own, unknown) {
        (false, ..) => Ok(hosts),
        (true, _, Some(error)) => Err(no_route(NoRouteKind::Unknown, error.to_string())),
        (true, _, None) if ordered.len() > 0 => {
            let (tried, what) = (count - ordered.len(), address(account));
            let words = format!("none of the first {tried} of its {count} mail exchangers has an {what}");
            Err(no_route(NoRouteKind::Unknown, words))
        }
        (true, Some(own), None) => {
            let words = format!("the mail loops: the best host for it, {}, is this machine", own.host);
            Err(no_route(NoRouteKind::Loop, words))
        }
        (true, None, None) => {
            let words = format!("none of its mail exchangers has an {}", address(account));
            Err(no_route(NoRouteKind::NoDomain, words))
        }
    }
}

/// What is told of names that no host has: of the first few, for a thousand would be told for each recipient.
pub(super) fn no_hosts(names: Vec<String>) -> Vec<String> {
    let more = names.len().saturating_sub(MOST_HOSTS);
    let mut told: Vec<String> = names.into_iter().take(MOST_HOSTS).collect();
    told.iter_mut().for_each(|name| name.push_str(" is no host name, and is passed over"));
    if more > 0 {
        told.push(format!("{more} more are no host names, and are passed over"));
    }
    told
}

/// What a host must have, by what the account allows.
pub(super) fn address(account: &Account) -> &'static str {
    match account.reach.family {
        Family::Any => "address",
        Family::V4 => "IPv4 address, and the key ip allows no other",
        Family::V6 => "IPv6 address, and the key ip allows no other",
    }
}
