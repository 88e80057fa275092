//! A certificate for one run: an authority of its own, whose key is thrown away, and a server's certificate by it.

use std::sync::Arc;

use chrono::{Datelike as _, Days, NaiveDate, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::net::tls::provider;

/// A server's TLS configuration, and what a client needs to trust it.
#[derive(Clone, Debug)]
pub struct Certificate {
    authority_pem: String,
    authority_der: CertificateDer<'static>,
    der: CertificateDer<'static>,
    config: Arc<ServerConfig>,
}

/// A certificate that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A name that no certificate can have, or a fault of the library of cryptography.
    #[error("no certificate could be made: {0}")]
    Made(#[from] rcgen::Error),
    /// The TLS library does not take it.
    #[error("the certificate cannot be used: {0}")]
    Used(#[from] rustls::Error),
}

impl Certificate {
    /// Makes a certificate for `localhost`, 127.0.0.1, ::1 and `more` names or addresses, good from yesterday on
    /// for 397 days, which is what strict clients bear.
    ///
    /// # Errors
    /// [`CertificateError`], which only a name in `more` can bring about on a sound machine.
    pub fn make(more: &[String]) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "posthaste sink, an authority for one run");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit(&mut params);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        for name in more {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "posthaste sink");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;

        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        // Nobody resumes a session with a server of one run.
        config.send_tls13_tickets = 0;
        Ok(Certificate {
            authority_pem: authority.pem(),
            authority_der: authority.der().clone(),
            der: certificate.der().clone(),
            config: Arc::new(config),
        })
    }

    /// The authority in PEM, for a client's `tls-ca-file`.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The authority in DER.
    pub fn authority_der(&self) -> &[u8] {
        &self.authority_der
    }

    /// The server's certificate in DER, for a pin.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn limit(params: &mut CertificateParams) {
    let today = Utc::now().date_naive();
    let date = |day: NaiveDate| {
        // Months and days are below 32, and years of this calendar fit.
        let small = |number: u32| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(day.year(), small(day.month()), small(day.day()))
    };
    params.not_before = date(today.checked_sub_days(Days::new(1)).unwrap_or(today));
    params.not_after = date(today.checked_add_days(Days::new(396)).unwrap_or(today));
}
