//! Reading a certificate for people: `posthaste check`, the transcript and the texts of errors. Whether it is
//! trusted is decided elsewhere.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
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

/// The common name, or all that the name says where it has none. A server chose these octets.
///
/// Not by [`Name`]'s own text: that brings along a table of all attributes there are, 3,000 pointers which the loader
/// would go through at each start.
fn common_name(name: &Name) -> String {
    if let Ok(Some(common)) = name.common_name() {
        return printable(String::from(common).as_bytes());
    }
    let attribute = |each: &AttributeTypeAndValue| {
        let oid = each.oid.to_string();
        // RFC 4514 section 3; others by their number.
        let word = match oid.as_str() {
            "2.5.4.3" => "CN",
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            number => number,
        };
        format!("{word}={}", printable(each.value.value()))
    };
    // The most particular first, as people write it.
    let mut parts: Vec<String> = name.iter().map(attribute).collect();
    parts.reverse();
    parts.join(", ")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_without_a_common_name_is_told_by_the_rest() {
        use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
        for (parts, shown) in [
            (vec![(DnType::CommonName, "mx.example.org"), (DnType::OrganizationName, "Example")], "mx.example.org"),
            (vec![(DnType::CountryName, "NL"), (DnType::OrganizationName, "Ex\nample")], "O=Ex\\x0aample, C=NL"),
            (vec![(DnType::CustomDnType(vec![2, 5, 4, 5]), "7")], "2.5.4.5=7"),
            (vec![], ""),
        ] {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            for (kind, value) in parts {
                params.distinguished_name.push(kind, DnValue::Utf8String(value.to_owned()));
            }
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(facts(certificate.der()).subject, shown);
        }
    }
}
