//! Certificates of servers, made once in a process.

use std::sync::{Arc, OnceLock};

use posthaste::net::tls::provider;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// The certificates of all tests: one that is trusted, and one by a stranger.
pub struct Certificates {
    pub authority_pem: String,
    #[allow(dead_code)] // Not all tests need more certificates.
    pub authority: Authority,
    pub trusted: Arc<ServerConfig>,
    pub strange: Arc<ServerConfig>,
}

pub fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let authority = authority();
        let [trusted, strange] = [&authority, &self::authority()].map(|issuer| Arc::new(server(issuer, params())));
        Certificates { authority_pem: authority.pem(), authority, trusted, strange }
    })
}

/// What the certificate of a good server says.
pub fn params() -> CertificateParams {
    CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap()
}

/// A server with a certificate by this issuer.
pub fn server(issuer: &Authority, params: CertificateParams) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, issuer).unwrap();
    with_chain(vec![leaf.der().clone()], &key)
}

/// A server with these certificates, of which the first belongs to the key.
pub fn with_chain(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    config.send_tls13_tickets = 0;
    config
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
