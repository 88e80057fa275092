//! What names a TLS connection, so that a login can be bound to it.

use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, ProtocolVersion};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::digest;
#[cfg(not(feature = "aws-lc-rs"))]
use ring::digest;

use crate::smtp::sasl::ChannelBinding;

/// Under TLS 1.3 what both ends derive from their keys (RFC 9266 section 2). Under TLS 1.2 that is unique only with an
/// extension which rustls does not tell of, so it is the server's certificate there (RFC 5929 section 4).
pub(super) fn of(connection: &ClientConnection) -> Option<ChannelBinding> {
    match connection.protocol_version()? {
        ProtocolVersion::TLSv1_3 => connection
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
            .ok()
            .map(ChannelBinding::Exporter),
        _ => connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .and_then(end_point)
            .map(ChannelBinding::ServerEndPoint),
    }
}

/// The hash of a certificate by the hash function of its signature, but never MD5 or SHA-1 (RFC 5929 section 4.1);
/// nothing where the signature has none of its own, like that of Ed25519.
fn end_point(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    let algorithm = certificate.signature_algorithm();
    let hash = match algorithm.oid.to_string().as_str() {
        // RSA and ECDSA with MD5 or SHA-1, and with SHA-256.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => &digest::SHA256,
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        "1.2.840.113549.1.1.10" => hash_of_pss(&algorithm.parameters.as_ref()?.to_der().ok()?),
        _ => return None,
    };
    Some(digest::digest(hash, der).as_ref().to_vec())
}

/// RSASSA-PSS names its hash function in its parameters, first of all (RFC 4055 section 3.1); SHA-1 if it does not.
fn hash_of_pss(parameters: &[u8]) -> &'static digest::Algorithm {
    // 2.16.840.1.101.3.4.2, and then 1, 2 or 3.
    const SHA_2: [u8; 10] = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let at = parameters.windows(SHA_2.len()).position(|window| window == SHA_2);
    match at.and_then(|at| parameters.get(at + SHA_2.len())) {
        Some(2) => &digest::SHA384,
        Some(3) => &digest::SHA512,
        _ => &digest::SHA256,
    }
}
