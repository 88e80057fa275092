//! What was wrong with a handshake, as far as reports on TLS tell it apart (RFC 8460 section 4.3.1).

use std::io;

use rustls::{CertificateError, Error};

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// Of which kind it is.
    pub kind: FaultKind,
    /// What happened, for people.
    pub words: String,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The certificate bears other names.
    Name,
    /// The certificate has expired.
    Expired,
    /// Nobody who is trusted vouches for the certificate, or it is not fit for a server.
    NotTrusted,
    /// The certificate matches none of the TLSA records, or its key no pin.
    NoMatch,
    /// Something else: it did not come to a certificate, or not only to that.
    Other,
}

impl FaultKind {
    /// The kind of what ended a handshake.
    pub(super) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        inner.map_or(FaultKind::Other, FaultKind::of_library)
    }

    /// The same of its own error.
    pub(super) fn of_library(error: &Error) -> Self {
        let reason = match error {
            Error::InvalidCertificate(reason) => reason,
            Error::InvalidCertRevocationList(_) => return FaultKind::NotTrusted,
            _ => return FaultKind::Other,
        };
        match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => FaultKind::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => FaultKind::Name,
            CertificateError::ApplicationVerificationFailure => FaultKind::NoMatch,
            _ => FaultKind::NotTrusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{AlertDescription, InvalidMessage};

    use super::*;

    /// P-333: what the TLS library says has a kind.
    #[test]
    fn errors_of_the_library_have_a_kind() {
        let time = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        let expected = ServerName::try_from("mx.test").unwrap();
        for (reason, kind) in [
            (CertificateError::Expired, FaultKind::Expired),
            (CertificateError::ExpiredContext { time, not_after: time }, FaultKind::Expired),
            (CertificateError::NotValidYet, FaultKind::NotTrusted),
            (CertificateError::NotValidForName, FaultKind::Name),
            (CertificateError::NotValidForNameContext { expected, presented: Vec::new() }, FaultKind::Name),
            (CertificateError::UnknownIssuer, FaultKind::NotTrusted),
            (CertificateError::Revoked, FaultKind::NotTrusted),
            (CertificateError::BadSignature, FaultKind::NotTrusted),
            (CertificateError::BadEncoding, FaultKind::NotTrusted),
            (CertificateError::ApplicationVerificationFailure, FaultKind::NoMatch),
        ] {
            assert_eq!(FaultKind::of(&io::Error::other(Error::InvalidCertificate(reason.clone()))), kind, "{reason:?}");
        }
        for other in [
            io::Error::other(Error::AlertReceived(AlertDescription::HandshakeFailure)),
            io::Error::other(Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            io::ErrorKind::UnexpectedEof.into(),
        ] {
            assert_eq!(FaultKind::of(&other), FaultKind::Other, "{other}");
        }
    }
}
