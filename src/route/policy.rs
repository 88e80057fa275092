//! What TLS with a mail exchanger must be like, and why.
//!
//! This is the place where DANE (RFC 7672) and MTA-STS (RFC 8461) raise what the account asks for. DANE comes first, and what
//! it forbids MTA-STS does not allow (RFC 8461 section 2).

use std::net::IpAddr;

use super::guide::Guide;
use super::{dane, sts};
use crate::config::account::{Account, Tls, TlsPolicy};
use crate::dns::{Found, Security};
use crate::smtp::outcome::Cause;

/// An exchanger of a domain.
#[derive(Clone, Copy, Debug)]
pub struct Exchanger<'a> {
    /// The recipients' domain: the policy domain of MTA-STS.
    pub domain: &'a str,
    /// The name behind its aliases, or the same.
    pub expanded: &'a str,
    /// The host as the MX record names it, or the domain itself where there is none.
    pub host: &'a str,
    /// Whether DNSSEC vouches for the MX record.
    pub mx: Security,
    /// Its addresses, whether DNSSEC vouches for them, and the name behind its aliases.
    pub addresses: &'a Found<IpAddr>,
}

/// What is decided for one domain and one exchanger of it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// TLS as the connection is to have it; [`Tls::policy`] says whether it must.
    pub tls: Tls,
    /// Why, for people: `TLS if it is offered (nothing asks for more)`.
    pub reason: String,
    /// By which policy.
    pub applied: Applied,
}

/// A host to which nothing may be sent now.
#[derive(Clone, Debug)]
pub struct Barred {
    /// The host as the MX record names it.
    pub host: String,
    /// Why.
    pub cause: Cause,
    /// By which policy.
    pub applied: Applied,
}

/// The policy by which it was decided, as reports on TLS name it (RFC 8460 section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The recipients' domain, whose owner is told.
    pub recipients: String,
    /// What kind it is.
    pub kind: PolicyKind,
    /// The domain that it is of: the TLSA base domain, else that of the recipients (RFC 8460 section 1.1).
    pub domain: String,
    /// What it says: TLSA records as a zone file has them, the lines of an MTA-STS policy.
    pub strings: Vec<String>,
    /// Which hosts an MTA-STS policy allows.
    pub mx: Vec<String>,
    /// What was wrong with it, where there is something.
    pub flaw: Option<Flaw>,
}

/// The kinds of policies (RFC 8460 section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// TLSA records: DANE.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither.
    NoPolicyFound,
}

/// What is wrong with a policy, whatever then becomes of the message (RFC 8460 section 4.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// None of the TLSA records can be used.
    Tlsa,
    /// The MTA-STS policy could not be fetched: the reason.
    StsFetch(String),
    /// The MTA-STS policy cannot be read: the reason.
    StsInvalid(String),
    /// The certificate of the server that has the MTA-STS policy is no good: the reason.
    StsWebPki(String),
    /// The MTA-STS policy only tests, and does not name the host.
    StsHost,
}

impl Applied {
    /// Nothing asks for TLS with the exchangers of this domain.
    pub fn no_policy(recipients: &str) -> Self {
        Applied {
            recipients: recipients.to_owned(),
            kind: PolicyKind::NoPolicyFound,
            domain: recipients.to_owned(),
            strings: Vec::new(),
            mx: Vec::new(),
            flaw: None,
        }
    }
}

impl Policy {
    /// Whether a session may serve both: they ask for the same, whoever it is that asks.
    pub(super) fn is_alike(&self, other: &Policy) -> bool {
        (&self.tls, &self.reason) == (&other.tls, &other.reason)
    }
}

/// Whether the policies of the recipients' domains count for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regard {
    /// They do.
    Kept,
    /// The sender would rather have it delivered than kept back for want of TLS (RFC 8689 section 3). What the account
    /// asks for counts all the same.
    Waived,
}

/// Decides. An exchanger for which this fails is passed over; where it is the last one, that is why the message is
/// deferred.
///
/// # Errors
/// Why nothing may be sent to this host now.
pub(super) async fn for_host(guide: &Guide<'_>, regard: Regard, host: Exchanger<'_>) -> Result<Policy, Barred> {
    let Guide { account, resolver, policies } = guide;
    if regard == Regard::Waived {
        let usual = base(account, host.domain);
        return Ok(Policy { reason: format!("{}; the message waives policies (TLS-Required)", usual.reason), ..usual });
    }
    // Whoever wants clear text has said so.
    if account.tls.on_exchangers != TlsPolicy::None
        && let Some(policy) = dane::policy(account, resolver, host).await?
    {
        return Ok(policy);
    }
    let known = policies.of(host.domain, resolver).await;
    sts::policy(account, &known, host).map_err(|barred| *barred)
}

/// What the account asks for, of exchangers of a domain that asks for nothing.
pub(super) fn base(account: &Account, domain: &str) -> Policy {
    let wanted = account.tls.on_exchangers;
    let reason = match wanted {
        TlsPolicy::Required => "TLS with a checked certificate (the key tls asks for it)",
        TlsPolicy::Opportunistic => "TLS if it is offered, whatever the certificate (nothing asks for more)",
        TlsPolicy::None => "clear text (the key tls asks for it)",
    };
    let applied = Applied::no_policy(domain);
    Policy { tls: for_exchanger(&account.tls, wanted), reason: reason.to_owned(), applied }
}

/// What an account says of TLS, for strangers: pins and a name are those of a smarthost, and a certificate of the client
/// shows who it is to somebody who need not know.
pub fn for_exchanger(tls: &Tls, policy: TlsPolicy) -> Tls {
    Tls { policy, pins: Vec::new(), server_name: None, cert: None, key: None, ..tls.clone() }
}
