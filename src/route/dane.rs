//! What DNSSEC says of the certificate of a mail exchanger (RFC 7672).

use super::no_route;
use super::policy::{Applied, Barred, Exchanger, Flaw, Policy, PolicyKind, for_exchanger};
use crate::config::account::{Account, Association, Dane, Matching, Proof, Selector, Tls, TlsPolicy};
use crate::dns::{Answer, Found, Resolver, Security, Tlsa};
use crate::smtp::outcome::NoRouteKind;

/// What the TLSA records of a host ask for; nothing where there are none, or where DNSSEC does not vouch for each step
/// that leads to them: the MX record, the addresses with their aliases, and the records themselves. Where an alias is
/// not vouched for, the name before it is not asked about either.
///
/// # Errors
/// Why nothing may be sent to this host now: the look-up failed, which is what a forger would make it do (RFC 7672
/// section 2.1.2).
pub(super) async fn policy(
    account: &Account,
    resolver: &Resolver<'_>,
    host: Exchanger<'_>,
) -> Result<Option<Policy>, Barred> {
    if host.mx == Security::Insecure || host.addresses.security == Security::Insecure {
        return Ok(None);
    }
    // The name behind the aliases comes first (RFC 7672 section 2.2.2).
    let mut bases = vec![host.addresses.name.as_str(), host.host];
    bases.dedup();
    for base in bases {
        let service = format!("_{}._tcp.{base}", account.mx_port);
        match resolver.tlsa(&service).await {
            Ok(Answer::Found(Found { records, security: Security::Secure, .. })) => {
                return Ok(Some(by_records(account, host, base, &records)));
            }
            Ok(_) => {}
            Err(error) => {
                let cause = no_route(NoRouteKind::Untrusted, error.to_string());
                return Err(Barred { host: host.host.to_owned(), cause, applied: applied(host, base, &[]) });
            }
        }
    }
    Ok(None)
}

fn by_records(account: &Account, host: Exchanger<'_>, base: &str, records: &[Tlsa]) -> Policy {
    let mut dane = Dane { servers: usable(records, 3), anchors: usable(records, 2), names: Vec::new() };
    let count = dane.servers.len() + dane.anchors.len();
    let found = match records {
        [_] => "DANE: 1 record".to_owned(),
        _ => format!("DANE: {} records", records.len()),
    };
    let applied = applied(host, base, records);
    let with =
        |proof| Tls { proof, server_name: Some(base.to_owned()), ..for_exchanger(&account.tls, TlsPolicy::Required) };
    if count > 0 {
        // Without an authority, domains differ in nothing and can share a session.
        if !dane.anchors.is_empty() {
            // The certificate may be for any name on the way, all of which are vouched for (RFC 7672 section 3.2.2).
            for name in [base, host.host, host.domain, host.expanded] {
                if !dane.names.iter().any(|known| known == name) {
                    dane.names.push(name.to_owned());
                }
            }
        }
        let reason = format!("TLS with a certificate that matches ({found} of {base}, {count} usable)");
        return Policy { tls: with(Proof::Dane(dane)), reason, applied };
    }
    let applied = Applied { flaw: Some(Flaw::Tlsa), ..applied };
    match account.tls.on_exchangers {
        TlsPolicy::Required => Policy {
            tls: with(Proof::AsAccount),
            reason: format!("TLS with a checked certificate (the key tls asks for it; {found} of {base}, none usable)"),
            applied,
        },
        _ => Policy {
            tls: with(Proof::Nothing),
            reason: format!("TLS, whatever the certificate ({found} of {base}, none usable)"),
            applied,
        },
    }
}

/// Most records that a report has.
const SHOWN: usize = 16;

fn applied(host: Exchanger<'_>, base: &str, records: &[Tlsa]) -> Applied {
    Applied {
        recipients: host.domain.to_owned(),
        kind: PolicyKind::Tlsa,
        domain: base.to_owned(),
        strings: records.iter().take(SHOWN).map(Tlsa::to_string).collect(),
        mx: Vec::new(),
        flaw: None,
    }
}

/// The records of a usage that can be used. Of two digests of the same thing the weaker one does not count (RFC 7671
/// section 9).
fn usable(records: &[Tlsa], usage: u8) -> Vec<Association> {
    let records = records.iter().filter(|record| record.usage == usage);
    let all: Vec<Association> = records.filter_map(association).collect();
    let has_better = |one: &Association| {
        one.matching == Matching::Sha256
            && all.iter().any(|other| other.selector == one.selector && other.matching == Matching::Sha512)
    };
    all.iter().filter(|one| !has_better(one)).cloned().collect()
}

/// Nothing where a number is unknown, or a digest has not its length.
fn association(record: &Tlsa) -> Option<Association> {
    let selector = match record.selector {
        0 => Selector::Certificate,
        1 => Selector::PublicKey,
        _ => return None,
    };
    let matching = match (record.matching, record.data.len()) {
        (0, 1..) => Matching::Full,
        (1, 32) => Matching::Sha256,
        (2, 64) => Matching::Sha512,
        _ => return None,
    };
    Some(Association { selector, matching, data: record.data.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(usage: u8, selector: u8, matching: u8, length: usize) -> Tlsa {
        Tlsa { usage, selector, matching, data: vec![7; length] }
    }

    /// P-319: usages 0 and 1, unknown numbers and digests of a wrong length cannot be used; SHA-512 goes before SHA-256 of
    /// the same selector, and a broken one does not.
    #[test]
    fn what_cannot_be_used_does_not_count() {
        for (usage, selector, matching, length, counts) in [
            (3, 0, 0, 500, true),
            (3, 1, 1, 32, true),
            (3, 1, 2, 64, true),
            (0, 1, 1, 32, false),
            (1, 1, 1, 32, false),
            (2, 1, 1, 32, false),
            (255, 1, 1, 32, false),
            (3, 2, 1, 32, false),
            (3, 1, 3, 32, false),
            (3, 1, 0, 0, false),
            (3, 1, 1, 31, false),
            (3, 1, 1, 64, false),
            (3, 1, 2, 32, false),
        ] {
            let found = usable(&[record(usage, selector, matching, length)], 3);
            assert_eq!(!found.is_empty(), counts, "{usage} {selector} {matching}, {length} octets");
        }
        let forms = |records: &[Tlsa]| usable(records, 3).iter().map(|one| one.matching).collect::<Vec<_>>();
        let weak = record(3, 1, 1, 32);
        assert_eq!(forms(&[weak.clone(), record(3, 1, 2, 64)]), [Matching::Sha512]);
        assert_eq!(forms(&[weak.clone(), record(3, 1, 2, 63)]), [Matching::Sha256]);
        assert_eq!(forms(&[weak.clone(), record(3, 0, 2, 64)]), [Matching::Sha256, Matching::Sha512]);
        assert_eq!(forms(&[weak.clone(), record(2, 1, 2, 64)]), [Matching::Sha256]);
    }
}
