//! Who is trusted: the ways in which the certificate of a server is checked.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::system::{self, Identity};

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc_rs::digest;
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use ring::digest;

/// What a server shows, for which name, and when.
pub(super) struct Shown<'a> {
    pub(super) certificate: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) name: &'a ServerName<'a>,
    pub(super) ocsp: &'a [u8],
    pub(super) now: UnixTime,
}

/// Whoever decides about a certificate, and about nothing else.
pub(super) trait Judge: Debug + Send + Sync {
    /// Whether it is trusted.
    fn judge(&self, shown: &Shown<'_>) -> Result<(), Error>;
}

/// What rustls asks: a judge decides about the certificate, and the signature of the handshake is checked whoever that is, so
/// that the peer has the key of the certificate that it shows. One that was refused is kept, to be shown to a person, or let
/// pass and kept with the reason.
#[derive(Debug)]
pub(super) struct Verifier {
    judge: Arc<dyn Judge>,
    provider: Arc<CryptoProvider>,
    refusal: Refusal,
    refused: Mutex<Option<(CertificateDer<'static>, Error)>>,
}

/// What becomes of a certificate that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Final,
    Forgiven,
}

impl Verifier {
    pub(super) fn new(judge: Arc<dyn Judge>, refusal: Refusal, provider: Arc<CryptoProvider>) -> Self {
        Verifier { judge, provider, refusal, refused: Mutex::new(None) }
    }

    pub(super) fn is_forgiving(&self) -> bool {
        self.refusal == Refusal::Forgiven
    }

    /// The certificate that was refused last. Nobody has shown that he has its key.
    pub(super) fn refused(&self) -> Option<CertificateDer<'static>> {
        self.last().as_ref().map(|(certificate, _)| certificate.clone())
    }

    /// Why the last certificate that was let pass would have been refused.
    pub(super) fn forgiven(&self) -> Option<Error> {
        match self.refusal {
            Refusal::Forgiven => self.last().as_ref().map(|(_, error)| error.clone()),
            Refusal::Final => None,
        }
    }

    /// Another connection begins, which has refused none.
    pub(super) fn forget(&self) {
        *self.last() = None;
    }

    fn last(&self) -> MutexGuard<'_, Option<(CertificateDer<'static>, Error)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.judge.judge(&Shown { certificate, intermediates, name, ocsp, now }) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                *self.last() = Some((certificate.clone().into_owned(), error.clone()));
                match self.refusal {
                    Refusal::Final => Err(error),
                    Refusal::Forgiven => Ok(ServerCertVerified::assertion()),
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Judge for WebPkiServerVerifier {
    fn judge(&self, shown: &Shown<'_>) -> Result<(), Error> {
        let Shown { certificate, intermediates, name, ocsp, now } = *shown;
        self.verify_server_cert(certificate, intermediates, name, ocsp, now).map(|_| ())
    }
}

/// SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate.
pub(super) fn spki_sha256(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let hash = digest::digest(&digest::SHA256, &certificate.subject_public_key_info());
    hash.as_ref().try_into().ok()
}

/// Trusts the built-in roots, and reads the system's store only when they do not know the issuer: reading it costs
/// a thousand times as much as the built-in roots.
#[derive(Debug)]
pub(super) struct LazyRoots {
    built_in: Arc<WebPkiServerVerifier>,
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl LazyRoots {
    pub(super) fn new(
        built_in: Arc<WebPkiServerVerifier>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        LazyRoots { built_in, system: OnceLock::new(), revoked, provider }
    }

    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        self.system.get_or_init(|| by_roots(system_roots(), &self.revoked, &self.provider).ok()).as_ref()
    }
}

/// Trusts these roots. Where there are lists of revoked certificates, one must be by the issuer of the server's
/// certificate, and up to date; whoever has lists wants no certificate that they do not speak of.
pub(super) fn by_roots(
    roots: RootCertStore,
    revoked: &[CertificateRevocationListDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    match revoked {
        [] => builder.build(),
        lists => builder
            .with_crls(lists.iter().cloned())
            .only_check_end_entity_revocation()
            .enforce_revocation_expiration()
            .build(),
    }
}

/// The certificates that the system trusts; unreadable ones are passed over.
pub(super) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // The variables belong to somebody else.
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    if is_chosen && system::identity() == Identity::Changed {
        return roots;
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

impl Judge for LazyRoots {
    fn judge(&self, shown: &Shown<'_>) -> Result<(), Error> {
        match self.built_in.judge(shown) {
            Err(error @ Error::InvalidCertificate(CertificateError::UnknownIssuer)) => match self.system() {
                Some(system) => system.judge(shown),
                None => Err(error),
            },
            verdict => verdict,
        }
    }
}

/// Looks at the key of the server and at nothing else, or at nothing at all.
#[derive(Debug)]
pub(super) struct KeyOnly {
    /// SHA-256 of acceptable keys; empty accepts any (opportunistic TLS, where the alternative is clear text).
    pub(super) pins: Vec<[u8; 32]>,
}

impl Judge for KeyOnly {
    fn judge(&self, shown: &Shown<'_>) -> Result<(), Error> {
        if self.pins.is_empty() {
            return Ok(());
        }
        let hash = spki_sha256(shown.certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.pins.contains(&hash) {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }
}
