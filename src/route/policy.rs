//! What TLS with a mail exchanger must be like, and why.
//!
//! This is the place where DANE (RFC 7672), and later MTA-STS (RFC 8461), raise what the account asks for.

use std::net::IpAddr;

use super::dane;
use crate::config::account::{Account, Tls, TlsPolicy};
use crate::dns::{Found, Resolver, Security};
use crate::smtp::outcome::Cause;

/// An exchanger of a domain.
#[derive(Clone, Copy, Debug)]
pub struct Exchanger<'a> {
    /// The recipients' domain: the policy domain of MTA-STS.
    pub domain: &'a str,
    /// The host as the MX record names it, or the domain itself where there is none.
    pub host: &'a str,
    /// Whether DNSSEC vouches for the MX record.
    pub mx: Security,
    /// Its addresses, whether DNSSEC vouches for them, and the name behind its aliases.
    pub addresses: &'a Found<IpAddr>,
}

/// What is decided for one domain and one exchanger of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// TLS as the connection is to have it; [`Tls::policy`] says whether it must.
    pub tls: Tls,
    /// Why, for people: `TLS if it is offered (nothing asks for more)`.
    pub reason: String,
}

/// Decides. An exchanger for which this fails is passed over; where it is the last one, that is why the message is
/// deferred.
///
/// # Errors
/// Why nothing may be sent to this host now.
pub async fn for_host(account: &Account, resolver: &Resolver<'_>, host: Exchanger<'_>) -> Result<Policy, Cause> {
    let wanted = account.tls.on_exchangers;
    // Whoever wants clear text has said so.
    if wanted != TlsPolicy::None
        && let Some(policy) = dane::policy(account, resolver, host).await?
    {
        return Ok(policy);
    }
    let reason = match wanted {
        TlsPolicy::Required => "TLS with a checked certificate (the key tls asks for it)",
        TlsPolicy::Opportunistic => "TLS if it is offered, whatever the certificate (nothing asks for more)",
        TlsPolicy::None => "clear text (the key tls asks for it)",
    };
    Ok(Policy { tls: for_exchanger(&account.tls, wanted), reason: reason.to_owned() })
}

/// What an account says of TLS, for strangers: pins and a name are those of a smarthost, and a certificate of the client
/// shows who it is to somebody who need not know.
pub fn for_exchanger(tls: &Tls, policy: TlsPolicy) -> Tls {
    Tls { policy, pins: Vec::new(), server_name: None, cert: None, key: None, ..tls.clone() }
}
