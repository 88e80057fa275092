//! TLS: what an account trusts, as a rustls configuration, and the handshake's failures in words.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rustls::client::VerifierBuilderError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, PeerIncompatible, RootCertStore};
use zeroize::Zeroizing;

use super::dane::ByRecords;
use super::fault::{FaultKind, TlsFault};
use super::notice::{CertificateFacts, TlsFacts};
use super::verifier::{Judge, KeyOnly, LazyRoots, Refusal, Verifier, by_roots, system_roots};
use crate::config::account::{Host, NamedFile, Proof, Server, Tls, TlsPolicy, TlsRoots, TlsVersion};
use crate::smtp::session::Protection;
use crate::system;

/// TLS as one account wants it with one server.
pub struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    shown_name: String,
    protection: Protection,
    check: &'static str,
    verifier: Arc<Verifier>,
}

/// The connectors of a process. Connections to the same server with the same settings share one, and so its sessions:
/// none is offered to another host, port or user, or under settings by which its certificate was not checked.
#[derive(Default)]
pub struct Connectors {
    made: RefCell<Vec<Made>>,
}

/// A connector and what it was made for.
struct Made {
    tls: Tls,
    server: Server,
    connector: Option<Rc<Connector>>,
}

impl Connectors {
    /// The connector for a server, as [`Connector::for_server`] makes it; it is made once, and its files are read once.
    ///
    /// # Errors
    /// Those of [`Connector::for_server`].
    pub fn for_server(&self, tls: &Tls, server: &Server) -> Result<Option<Rc<Connector>>, UnusableTls> {
        let mut all = self.made.borrow_mut();
        if let Some(made) = all.iter().find(|made| made.server == *server && made.tls == *tls) {
            return Ok(made.connector.clone());
        }
        let connector = Connector::for_server(tls, server)?.map(Rc::new);
        all.push(Made { tls: tls.clone(), server: server.clone(), connector: connector.clone() });
        Ok(connector)
    }
}

/// What the check of a certificate by TLSA records is called.
const DANE: &str = "verified by DANE";

/// And where any certificate will do.
const UNVERIFIED: &str = "not verified";

/// Tickets that are kept: rustls has eight for a server, which is the one that there is.
const SESSIONS: usize = 8;

/// A setting of TLS that cannot be used: a file that is not there, a key that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableTls(String);

impl Connector {
    /// Makes ready what the handshake with a server needs; nothing where TLS is not wanted. Files of certificates are
    /// read here.
    ///
    /// # Errors
    /// [`UnusableTls`] when a file cannot be read or used, or a name is none.
    pub fn for_server(tls: &Tls, server: &Server) -> Result<Option<Self>, UnusableTls> {
        match tls.policy_for(server) {
            TlsPolicy::None => Ok(None),
            policy @ (TlsPolicy::Required | TlsPolicy::Opportunistic) => {
                Connector::new(tls, policy, server.host()).map(Some)
            }
        }
    }

    fn new(tls: &Tls, policy: TlsPolicy, host: Option<&Host>) -> Result<Self, UnusableTls> {
        let provider = provider();
        let (name, shown_name) = reference_name(tls, host)?;
        let by_key = |pins| Arc::new(KeyOnly { pins });
        let (judge, protection, check): (Arc<dyn Judge>, _, _) = match &tls.proof {
            Proof::Dane(dane) => {
                let by_records = ByRecords { dane: dane.clone(), provider: provider.clone() };
                (Arc::new(by_records), Protection::Verified, DANE)
            }
            Proof::AsAccount if !tls.pins.is_empty() => (by_key(tls.pins.clone()), Protection::Verified, "pinned"),
            Proof::AsAccount if policy == TlsPolicy::Required => {
                (judge(tls, &provider)?, Protection::Verified, "verified")
            }
            Proof::AsAccount | Proof::Nothing => (by_key(Vec::new()), Protection::Unverified, UNVERIFIED),
            Proof::Watched => (judge(tls, &provider)?, Protection::Unverified, UNVERIFIED),
        };
        let refusal = match &tls.proof {
            Proof::Watched => Refusal::Forgiven,
            Proof::Dane(_) | Proof::AsAccount | Proof::Nothing => Refusal::Final,
        };
        let verifier = Arc::new(Verifier::new(judge, refusal, provider.clone()));
        let versions: &[&rustls::SupportedProtocolVersion] = match tls.min {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        // `builder()` would panic if a dependency brought a second provider in.
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| UnusableTls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let mut config = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => builder
                .with_client_auth_cert(certificates(cert, "tls-cert")?, private_key(key)?)
                .map_err(|error| unusable(cert, "tls-cert", format!("it cannot be used with tls-key: {error}")))?,
            _ => builder.with_no_client_auth(),
        };
        // For another connection to the same server in the life of this value: nothing is shared with other servers,
        // ports or policies.
        config.resumption = match &tls.proof {
            // No certificate is looked at where a session is taken up again.
            Proof::Watched => rustls::client::Resumption::disabled(),
            Proof::Dane(_) | Proof::AsAccount | Proof::Nothing => {
                rustls::client::Resumption::in_memory_sessions(SESSIONS)
            }
        };
        Ok(Connector { config: Arc::new(config), name, shown_name, protection, check, verifier })
    }

    /// What the next handshake needs.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.verifier.forget();
        self.config.clone()
    }

    pub(super) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// What a finished handshake is worth.
    pub fn protection(&self) -> Protection {
        self.protection
    }

    /// What a connection is like, for people.
    pub(super) fn facts(&self, connection: &rustls::ClientConnection) -> TlsFacts {
        TlsFacts {
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
                _ => "TLS".to_owned(),
            },
            cipher: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str().map(|name| name.replace("TLS13_", "TLS_")))
                .unwrap_or_default(),
            group: connection
                .negotiated_key_exchange_group()
                .and_then(|group| group.name().as_str().map(str::to_owned))
                .unwrap_or_default(),
            check: self.check,
            certificate: connection
                .peer_certificates()
                .and_then(<[_]>::first)
                .map(super::certificate::facts)
                .unwrap_or_default(),
        }
    }

    /// The certificate that was refused, for people.
    pub(super) fn refused(&self) -> Option<CertificateFacts> {
        self.verifier.refused().as_ref().map(super::certificate::facts)
    }

    /// Whether certificates are only watched ([`Proof::Watched`]).
    pub(super) fn is_watching(&self) -> bool {
        self.verifier.is_forgiving()
    }

    /// What is wrong with the certificate that was let pass, where certificates are only watched ([`Proof::Watched`]).
    pub(super) fn complaint(&self) -> Option<TlsFault> {
        let of = |error| TlsFault { kind: FaultKind::of_library(&error), words: self.explain_tls(&error) };
        self.verifier.forgiven().map(of)
    }

    /// A failed handshake: its kind, and words for it.
    pub(super) fn fault(&self, error: &std::io::Error) -> TlsFault {
        TlsFault { kind: FaultKind::of(error), words: self.explain(error) }
    }

    /// A failed handshake in words.
    pub(super) fn explain(&self, error: &std::io::Error) -> String {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => self.explain_tls(error),
            None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "the server closed the connection during the handshake".to_owned()
            }
            None => system::words(error),
        }
    }

    /// Who signed the certificate that was refused, by its own word: often the name of a proxy or a virus scanner that
    /// stands between.
    fn issuer_of_refused(&self) -> String {
        match self.verifier.refused() {
            Some(refused) if super::certificate::is_self_issued(&refused) => {
                "nobody but itself has signed it".to_owned()
            }
            Some(refused) => {
                let issuer = super::certificate::facts(&refused).issuer;
                format!("{issuer:.ISSUER_SHOWN$} has signed it, and nobody that this machine trusts")
            }
            None => "nobody that this machine trusts has signed it".to_owned(),
        }
    }

    fn explain_tls(&self, error: &Error) -> String {
        let host = &self.shown_name;
        match error {
            Error::InvalidCertificate(reason) => match reason {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "the server's certificate has expired".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "the server's certificate is not valid yet (or this machine's clock is wrong)".to_owned()
                }
                CertificateError::UnknownIssuer => {
                    format!("the server's certificate is from an unknown issuer: {}", self.issuer_of_refused())
                }
                CertificateError::NotValidForName if self.check == DANE => {
                    format!("the server's certificate bears neither the name {host} nor that of the domain (DANE)")
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!("the server's certificate is not for {host}{}", names_of(reason))
                }
                CertificateError::ApplicationVerificationFailure if self.check == DANE => {
                    format!("the server's certificate matches none of the TLSA records of {host} (DANE)")
                }
                CertificateError::ApplicationVerificationFailure => {
                    "the server's public key is none of those in tls-pin".to_owned()
                }
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                    "the server's certificate is not meant for servers".to_owned()
                }
                CertificateError::Revoked => "the server's certificate has been revoked".to_owned(),
                CertificateError::UnknownRevocationStatus => {
                    "tls-crl-file has no list by the issuer of the server's certificate".to_owned()
                }
                CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                    "the list in tls-crl-file by the issuer of the server's certificate is out of date".to_owned()
                }
                CertificateError::BadSignature => {
                    "the server's certificate has a signature that its issuer did not make".to_owned()
                }
                CertificateError::BadEncoding => "the server's certificate cannot be read".to_owned(),
                CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
                    Some(webpki::Error::CaUsedAsEndEntity) => {
                        "the server's certificate cannot be used: it is that of an authority (CA) and not of a server"
                            .to_owned()
                    }
                    _ => format!("the server's certificate cannot be used: {}", words(&other.0)),
                },
                other => format!("the server's certificate cannot be used: {}", words(other)),
            },
            Error::InvalidCertRevocationList(reason) => {
                format!("the list in tls-crl-file cannot be used: {}", words(reason))
            }
            Error::InvalidMessage(_) => "the server does not speak TLS here".to_owned(),
            Error::AlertReceived(alert) => match alert {
                AlertDescription::ProtocolVersion => too_old(),
                AlertDescription::HandshakeFailure => {
                    "the server and this program have no common TLS parameters".to_owned()
                }
                AlertDescription::CertificateRequired => "the server asks for a client certificate".to_owned(),
                other => format!("the server refused the handshake: {}", words(other)),
            },
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => too_old(),
            Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig) => too_old(),
            Error::PeerIncompatible(why) => format!("the server's TLS is not ours: {}", words(why)),
            Error::PeerMisbehaved(why) => format!("the server breaks the rules of TLS: {}", words(why)),
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
                "the server breaks the rules of TLS: a message that is not due".to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// Characters of an issuer's name in an error.
const ISSUER_SHOWN: usize = 100;

/// The name of a variant as words: rustls has no others for most of its reasons.
fn words(reason: &impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for c in format!("{reason:?}").chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The provider of cryptography that this build has.
pub fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(feature = "aws-lc-rs"))]
    return Arc::new(rustls::crypto::ring::default_provider());
}

/// TLS with a DNS server, whose certificate is checked by what the account trusts.
///
/// # Errors
/// [`UnusableTls`] when a file of certificates cannot be read or used.
pub fn for_resolver(tls: &Tls) -> Result<ClientConfig, UnusableTls> {
    let provider = provider();
    let verifier = Arc::new(Verifier::new(judge(tls, &provider)?, Refusal::Final, provider.clone()));
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| UnusableTls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// TLS 1.0 and 1.1 do not exist in rustls (RFC 8996 forbids them).
fn too_old() -> String {
    "the server speaks only versions of TLS that are too old (TLS 1.2 is the least)".to_owned()
}

fn names_of(reason: &CertificateError) -> String {
    match reason {
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            " (it names no host at all; a common name does not count)".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!(" but for {}", presented.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    }
}

/// rustls writes names as `DnsName("mail.example.org")` and `IpAddress(192.0.2.1)`.
fn shown(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    let inner = inside.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(inside);
    crate::smtp::reply::printable(inner.as_bytes())
}

/// The name that the certificate must bear: the configured one, never one that DNS or the server gave
/// (RFC 7817 section 3).
fn reference_name(tls: &Tls, host: Option<&Host>) -> Result<(ServerName<'static>, String), UnusableTls> {
    let text = match (&tls.server_name, host) {
        (Some(name), _) | (None, Some(Host::Name(name))) => name.trim_end_matches('.').to_owned(),
        (None, Some(Host::Address(address))) => return Ok((ServerName::from(*address), address.to_string())),
        // A socket: the configuration asks for a name where the certificate is checked.
        (None, None) => "localhost".to_owned(),
    };
    let name = ServerName::try_from(text.clone())
        .map_err(|_| UnusableTls(format!("{text} is no name that a certificate can have")))?;
    Ok((name, text))
}

fn judge(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn Judge>, UnusableTls> {
    let revoked = tls.revoked.as_ref().map_or(Ok(Vec::new()), revocation_lists)?;
    let build = |store: RootCertStore, what: &str| {
        by_roots(store, &revoked, provider).map_err(|error| match (error, &tls.revoked) {
            (VerifierBuilderError::InvalidCrl(reason), Some(file)) => {
                unusable(file, "tls-crl-file", format!("it cannot be used: {}", words(&reason)))
            }
            _ => UnusableTls(format!("{what} holds no usable certificate")),
        })
    };
    let built_in = || RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    Ok(match &tls.roots {
        TlsRoots::BuiltIn => build(built_in(), "the list of built-in roots")?,
        TlsRoots::System => build(system_roots(), "the system's trust store")?,
        TlsRoots::File(file) => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(certificates(file, "tls-ca-file")?);
            build(store, &format!("{}: tls-ca-file {}", file.place, file.path.display()))?
        }
        TlsRoots::Both => {
            let built_in = build(built_in(), "the list of built-in roots")?;
            Arc::new(LazyRoots::new(built_in, revoked, provider.clone()))
        }
    })
}

fn unusable(file: &NamedFile, key: &str, why: String) -> UnusableTls {
    UnusableTls(format!("{}: {key} {}: {why}", file.place, file.path.display()))
}

/// KiB that a file of certificates or lists may have.
const LARGEST: u64 = 16 << 10;

fn content(file: &NamedFile, key: &str) -> Result<Zeroizing<Vec<u8>>, UnusableTls> {
    match system::read_file(&file.path, LARGEST) {
        Ok(content) => Ok(content.octets),
        Err(error) => Err(unusable(file, key, system::words(&error))),
    }
}

fn certificates(file: &NamedFile, key: &str) -> Result<Vec<CertificateDer<'static>>, UnusableTls> {
    let octets = content(file, key)?;
    let found = CertificateDer::pem_slice_iter(&octets)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(file, key, pem_trouble(&error)))?;
    if found.is_empty() { Err(unusable(file, key, "no certificate in it".to_owned())) } else { Ok(found) }
}

fn revocation_lists(file: &NamedFile) -> Result<Vec<CertificateRevocationListDer<'static>>, UnusableTls> {
    let key = "tls-crl-file";
    let octets = content(file, key)?;
    // DER begins with a SEQUENCE and a length that is no text.
    if let [0x30, 0x80..=0xff, ..] = octets[..] {
        return Ok(vec![octets.to_vec().into()]);
    }
    let found = CertificateRevocationListDer::pem_slice_iter(&octets)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(file, key, pem_trouble(&error)))?;
    if found.is_empty() { Err(unusable(file, key, "no list in it".to_owned())) } else { Ok(found) }
}

fn private_key(file: &NamedFile) -> Result<PrivateKeyDer<'static>, UnusableTls> {
    PrivateKeyDer::from_pem_slice(&content(file, "tls-key")?)
        .map_err(|error| unusable(file, "tls-key", pem_trouble(&error)))
}

fn pem_trouble(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::NoItemsFound => "nothing of the kind in it".to_owned(),
        // The library would show the line as a list of numbers.
        Error::MissingSectionEnd { .. } => "it breaks off: an END line is missing".to_owned(),
        Error::IllegalSectionStart { .. } => "a BEGIN line in it cannot be read".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        assert_eq!(words(&AlertDescription::InternalError), "internal error");
        assert_eq!(words(&CertificateError::UnhandledCriticalExtension), "unhandled critical extension");
    }
}
