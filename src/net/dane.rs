//! The certificate of a mail exchanger, judged by its TLSA records (RFC 6698, RFC 7671, RFC 7672).

use std::sync::Arc;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use super::verifier::{Judge, Shown, digest};
use crate::config::account::{Association, Dane, Matching, Selector};

/// Trusts what matches a record, and below an authority that does, what bears one of the names.
#[derive(Debug)]
pub(super) struct ByRecords {
    pub(super) dane: Dane,
    pub(super) provider: Arc<CryptoProvider>,
}

/// The octets of a certificate in each form, computed once: records may be many.
struct Forms {
    certificate: [Vec<u8>; 3],
    public_key: [Vec<u8>; 3],
}

impl Forms {
    /// Nothing where the certificate cannot be read.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let key = webpki::EndEntityCert::try_from(certificate).ok()?.subject_public_key_info();
        Some(Forms { certificate: forms(certificate), public_key: forms(&key) })
    }

    fn match_any(&self, records: &[Association]) -> bool {
        records.iter().any(|Association { selector, matching, data }| {
            let [full, sha256, sha512] = match selector {
                Selector::Certificate => &self.certificate,
                Selector::PublicKey => &self.public_key,
            };
            let own = match matching {
                Matching::Full => full,
                Matching::Sha256 => sha256,
                Matching::Sha512 => sha512,
            };
            own == data
        })
    }
}

fn forms(octets: &[u8]) -> [Vec<u8>; 3] {
    let hash = |how| digest::digest(how, octets).as_ref().to_vec();
    [octets.to_vec(), hash(&digest::SHA256), hash(&digest::SHA512)]
}

impl ByRecords {
    /// The authorities that match: those that the server has sent, and those that stand in a record as a whole. What
    /// is in a record is there for a server that does not send it.
    fn anchors(&self, sent: &[CertificateDer<'_>]) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let mut add = |certificate: &CertificateDer<'_>| {
            if let Ok(anchor) = webpki::anchor_from_trusted_cert(certificate) {
                roots.roots.push(anchor.to_owned());
            }
        };
        for certificate in sent {
            if Forms::of(certificate).is_some_and(|forms| forms.match_any(&self.dane.anchors)) {
                add(certificate);
            }
        }
        for Association { selector, matching, data } in &self.dane.anchors {
            if (*selector, *matching) == (Selector::Certificate, Matching::Full) {
                add(&CertificateDer::from(data.as_slice()));
            }
        }
        roots
    }

    /// The name of a certificate: any of ours will do.
    fn check_names(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let unreadable = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(unreadable)?;
        let is_for = |name: &String| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok())
        };
        match self.dane.names.iter().any(is_for) {
            true => Ok(()),
            false => Err(Error::InvalidCertificate(CertificateError::NotValidForName)),
        }
    }
}

impl Judge for ByRecords {
    fn judge(&self, shown: &Shown<'_>) -> Result<(), Error> {
        let Shown { certificate, intermediates, now, .. } = *shown;
        let forms = Forms::of(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if forms.match_any(&self.dane.servers) {
            return Ok(());
        }
        let roots = self.anchors(intermediates);
        if roots.is_empty() {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms)?;
        self.check_names(certificate)
    }
}
