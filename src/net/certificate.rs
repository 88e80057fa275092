//! Reading a certificate for people: `posthaste check`, the transcript and the texts of errors. Whether it is
//! trusted is decided elsewhere.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::notice::CertificateFacts;
use crate::smtp::reply::printable;

/// What the certificate says. One that cannot be read gives empty facts.
pub(super) fn facts(der: &CertificateDer<'_>) -> CertificateFacts {
    let pin = super::verifier::spki_sha256(der).map(|hash| hex(&hash)).unwrap_or_default();
    let Ok(certificate) = Certificate::from_der(der) else { return CertificateFacts { pin, ..Default::default() } };
    let body = certificate.tbs_certificate();
    let end = body.validity().not_after;
    let not_after_unix = i64::try_from(end.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    CertificateFacts {
        subject: common_name(body.subject()),
        issuer: common_name(body.issuer()),
        names: names(&certificate),
        not_after: chrono::DateTime::from_timestamp(not_after_unix, 0)
            .map(|time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
            .unwrap_or_default(),
        not_after_unix,
        pin,
    }
}

/// Whether a certificate names itself as its issuer.
pub(super) fn is_self_issued(der: &CertificateDer<'_>) -> bool {
    Certificate::from_der(der).is_ok_and(|certificate| {
        let body = certificate.tbs_certificate();
        body.issuer() == body.subject()
    })
}

fn names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    names
        .0
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(printable(name.as_bytes())),
            GeneralName::IpAddress(octets) => address(octets.as_bytes()),
            _ => None,
        })
        .collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(octets).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

/// The common name, or the whole name where it has none. A server chose these octets.
fn common_name(name: &Name) -> String {
    let text = match name.common_name() {
        Ok(Some(common)) => String::from(common),
        _ => name.to_string(),
    };
    printable(text.as_bytes())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
