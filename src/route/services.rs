//! The servers of a domain, by its SRV records (RFC 2782, RFC 6186, RFC 8314 section 5.1).

use std::borrow::Cow;

use super::hosts::{address, no_hosts};
use super::order::{Chance, by_weight};
use super::{Hop, LogIn};
use crate::config::account::{Account, Endpoint, Host, Server, Service, Tls, is_within};
use crate::dns::{Answer, Found, Resolver, Security, Srv, Target};
use crate::smtp::outcome::Cause;

/// Most servers that are tried.
const MOST: usize = 10;

/// The servers of a service in the order in which they are tried, and how this came to be.
pub(super) async fn hops<'a>(
    service: &Service,
    account: &'a Account,
    resolver: &Resolver<'_>,
) -> (Result<Vec<Hop<'a>>, Cause>, Vec<String>) {
    let mut decisions = Vec::new();
    let hops = found(service, account, resolver, &mut decisions).await;
    (hops, decisions)
}

async fn found<'a>(
    service: &Service,
    account: &'a Account,
    resolver: &Resolver<'_>,
    decisions: &mut Vec<String>,
) -> Result<Vec<Hop<'a>>, Cause> {
    let record = service.record();
    let Found { records, security, .. } = match resolver.srv(&record).await {
        Ok(Answer::Found(found)) => found,
        Ok(Answer::NoName | Answer::NoData(_)) => {
            return Err(Cause::NoSuchHost(format!(
                "{} names no servers for submission: there is no {record}",
                service.domain
            )));
        }
        Err(error) => return Err(Cause::Unreachable(error.to_string())),
    };
    if matches!(&records[..], [Srv { target: Target::None, .. }]) {
        let words = format!("{} does not offer this service: {record} says so", service.domain);
        return Err(Cause::NoSuchHost(words));
    }
    let mut usable = Vec::new();
    let mut unusable = Vec::new();
    for Srv { priority, weight, port, target } in records {
        match target {
            Target::Host(host) => usable.push((priority, weight, port, host)),
            Target::None => {}
            Target::Unusable(shown) => {
                unusable.push(format!("{record}: priority {priority}, weight {weight}: {shown}"))
            }
        }
    }
    decisions.extend(no_hosts(unusable));
    let mut hops = Vec::new();
    let mut last = None;
    for (priority, weight, port, host) in by_weight(usable, MOST, |srv| srv.0, |srv| srv.1, &mut Chance::new()) {
        let about = format!("{record}: priority {priority}, weight {weight}");
        let name = match identity(service, account, &host, security) {
            Ok(name) => name,
            Err(why) => {
                decisions.push(format!("{about}: {host} is passed over: {why}"));
                last = Some(Cause::Tls(why));
                continue;
            }
        };
        let found = match resolver.addresses(&host, account.reach.family).await {
            Ok(Answer::Found(found)) => found,
            Ok(Answer::NoName | Answer::NoData(_)) => {
                let what = address(account);
                decisions.push(format!("{about}: {host} is passed over: it has no {what}"));
                last.get_or_insert(Cause::NoSuchHost(format!("{host}, which {record} names, has no {what}")));
                continue;
            }
            Err(error) => {
                decisions.push(format!("{about}: {host} is passed over: {error}"));
                last = Some(Cause::Unreachable(error.to_string()));
                continue;
            }
        };
        if found.name != host {
            decisions.push(format!("{host} is an alias of {}, which RFC 2782 does not allow", found.name));
        }
        decisions.push(format!("{about}: {host}:{port}; the certificate must be for {name}"));
        hops.push(Hop {
            applied: Vec::new(),
            server: Server {
                scheme: service.scheme,
                endpoint: Endpoint::Tcp { host: Host::Name(host), port },
                user: service.user.clone(),
            },
            addresses: found.records,
            tls: Cow::Owned(Tls { server_name: Some(name), ..account.tls.clone() }),
            login: LogIn::AsAccount,
        });
    }
    match (hops.is_empty(), last) {
        (false, _) => Ok(hops),
        (true, Some(cause)) => Err(cause),
        (true, None) => Err(Cause::NoSuchHost(format!("{record} names no host"))),
    }
}

/// The name that the certificate must bear. Whoever can forge DNS names any host: that of the record counts only where
/// DNSSEC vouches for it or the user has consented (RFC 6186 section 4, RFC 7817 section 3). Otherwise it must be that of
/// the domain itself, and a host outside of the domain is not even spoken to.
fn identity(service: &Service, account: &Account, host: &str, security: Security) -> Result<String, String> {
    if let Some(name) = &account.tls.server_name {
        return Ok(name.clone());
    }
    let has_consent = service.consent.as_deref().is_some_and(|consent| is_within(host, consent));
    if security == Security::Secure || has_consent {
        return Ok(host.to_owned());
    }
    if is_within(host, &service.domain) {
        return Ok(service.domain.clone());
    }
    Err(format!(
        "{host} is not in {}, and nothing vouches for the record; to trust it, write {}?srv={host}",
        service.domain, service.domain
    ))
}
