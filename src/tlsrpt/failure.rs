//! What a failure is called in a report (RFC 8460 section 4.3).

use serde::{Deserialize, Serialize};

use super::event::Failure;
use crate::net::notice::{FaultKind, TlsFault};
use crate::route::policy::{Flaw, PolicyKind};
use crate::smtp::outcome::{Cause, NoRouteKind, Trouble};
use crate::smtp::stage::Stage;

/// The result types of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureType {
    /// The exchanger did not offer STARTTLS, or refused it.
    StarttlsNotSupported,
    /// Its certificate bears other names.
    CertificateHostMismatch,
    /// Its certificate has expired.
    CertificateExpired,
    /// Its certificate is not trusted for another reason.
    CertificateNotTrusted,
    /// Anything else.
    ValidationFailure,
    /// None of the TLSA records can be used.
    TlsaInvalid,
    /// The TLSA records could not be looked up, or what was found is forged.
    DnssecInvalid,
    /// DANE was demanded by the sender, and there were no records. No setting of this program demands it.
    DaneRequired,
    /// The MTA-STS policy could not be fetched.
    StsPolicyFetchError,
    /// The MTA-STS policy cannot be read.
    StsPolicyInvalid,
    /// The certificate of the server with the MTA-STS policy is no good.
    StsWebpkiInvalid,
}

impl FailureType {
    /// All of them, each with its number in the protocol of collectors.
    pub const ALL: [(FailureType, u16); 11] = [
        (FailureType::StarttlsNotSupported, 201),
        (FailureType::CertificateHostMismatch, 202),
        (FailureType::CertificateNotTrusted, 203),
        (FailureType::CertificateExpired, 204),
        (FailureType::ValidationFailure, 205),
        (FailureType::StsPolicyFetchError, 301),
        (FailureType::StsPolicyInvalid, 302),
        (FailureType::StsWebpkiInvalid, 303),
        (FailureType::TlsaInvalid, 304),
        (FailureType::DnssecInvalid, 305),
        (FailureType::DaneRequired, 306),
    ];

    fn with(self, reason: impl Into<String>) -> Failure {
        Failure { result_type: self, reason: reason.into() }
    }
}

/// What a failed handshake is called.
pub(super) fn of_fault(fault: &TlsFault) -> Failure {
    let result_type = match fault.kind {
        FaultKind::Name => FailureType::CertificateHostMismatch,
        FaultKind::Expired => FailureType::CertificateExpired,
        FaultKind::NotTrusted => FailureType::CertificateNotTrusted,
        FaultKind::NoMatch | FaultKind::Other => FailureType::ValidationFailure,
    };
    result_type.with(&fault.words)
}

/// What is wrong with a policy that was found.
pub(super) fn of_flaw(flaw: &Flaw) -> Failure {
    match flaw {
        Flaw::Tlsa => FailureType::TlsaInvalid.with("no TLSA record can be used"),
        Flaw::StsFetch(reason) => FailureType::StsPolicyFetchError.with(reason),
        Flaw::StsInvalid(reason) => FailureType::StsPolicyInvalid.with(reason),
        Flaw::StsWebPki(reason) => FailureType::StsWebpkiInvalid.with(reason),
        Flaw::StsHost => FailureType::ValidationFailure.with("the policy does not name the host"),
    }
}

/// What a policy has against a host to which nobody connects for it.
pub(super) fn of_cause(kind: PolicyKind, cause: &Cause) -> Failure {
    let words = match cause {
        Cause::NoRoute(why) => why.words.as_str(),
        Cause::Tls(words) | Cause::Unreachable(words) | Cause::NoSuchHost(words) => words.as_str(),
        _ => "the policy forbids it",
    };
    let untrusted = matches!(cause, Cause::NoRoute(why) if why.kind == NoRouteKind::Untrusted);
    match (kind, untrusted) {
        (PolicyKind::Tlsa, true) => FailureType::DnssecInvalid.with(words),
        _ => FailureType::ValidationFailure.with(words),
    }
}

/// What ended a session before there was a handshake; nothing where that has not to do with TLS.
pub(super) fn of_trouble(trouble: &Trouble) -> Option<Failure> {
    match (&trouble.cause, trouble.stage) {
        (Cause::TlsNotOffered { .. }, _) => Some(not_offered()),
        (Cause::Replied(reply), Stage::StartTls) => {
            Some(FailureType::StarttlsNotSupported.with(format!("STARTTLS was refused: {reply}")))
        }
        (Cause::Injected, Stage::StartTls) => {
            Some(FailureType::ValidationFailure.with("octets came behind the reply to STARTTLS"))
        }
        (Cause::TimedOut, Stage::StartTls) => Some(FailureType::ValidationFailure.with("no reply to STARTTLS in time")),
        (Cause::Lost(words), Stage::StartTls) => {
            Some(FailureType::ValidationFailure.with(format!("no reply to STARTTLS: {words}")))
        }
        (_, Stage::StartTls) => Some(FailureType::ValidationFailure.with("the reply to STARTTLS is none")),
        _ => None,
    }
}

pub(super) fn not_offered() -> Failure {
    FailureType::StarttlsNotSupported.with("STARTTLS is not offered")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::outcome::NoRoute;
    use FailureType::*;

    /// P-333: each of our own errors has its name in a report, and each name its number in the protocol of collectors.
    #[test]
    fn each_error_has_a_name_in_the_report() {
        let name = |result_type: FailureType| serde_json::to_value(result_type).unwrap();
        for (kind, expected) in [
            (FaultKind::Name, "certificate-host-mismatch"),
            (FaultKind::Expired, "certificate-expired"),
            (FaultKind::NotTrusted, "certificate-not-trusted"),
            (FaultKind::NoMatch, "validation-failure"),
            (FaultKind::Other, "validation-failure"),
        ] {
            let failure = of_fault(&TlsFault { kind, words: "why".to_owned() });
            assert_eq!((name(failure.result_type), failure.reason.as_str()), (expected.into(), "why"));
        }
        let why = || "why".to_owned();
        for (flaw, expected) in [
            (Flaw::Tlsa, "tlsa-invalid"),
            (Flaw::StsFetch(why()), "sts-policy-fetch-error"),
            (Flaw::StsInvalid(why()), "sts-policy-invalid"),
            (Flaw::StsWebPki(why()), "sts-webpki-invalid"),
            (Flaw::StsHost, "validation-failure"),
        ] {
            assert_eq!(name(of_flaw(&flaw).result_type), expected);
        }
        let no_route = |kind| Cause::NoRoute(NoRoute { kind, words: why() });
        for (kind, cause, expected) in [
            (PolicyKind::Tlsa, no_route(NoRouteKind::Untrusted), "dnssec-invalid"),
            (PolicyKind::Sts, no_route(NoRouteKind::Untrusted), "validation-failure"),
            (PolicyKind::Tlsa, no_route(NoRouteKind::Unknown), "validation-failure"),
        ] {
            let failure = of_cause(kind, &cause);
            assert_eq!((name(failure.result_type), failure.reason.as_str()), (expected.into(), "why"));
        }
        for (cause, stage, expected) in [
            (Cause::TlsNotOffered { masked: false }, Stage::StartTls, Some("starttls-not-supported")),
            (Cause::Injected, Stage::StartTls, Some("validation-failure")),
            (Cause::TimedOut, Stage::StartTls, Some("validation-failure")),
            (Cause::Lost(why()), Stage::StartTls, Some("validation-failure")),
            (Cause::Lost(why()), Stage::Greeting, None),
            (Cause::TimedOut, Stage::Mail, None),
        ] {
            let failure = of_trouble(&Trouble { stage, cause });
            assert_eq!(failure.map(|failure| name(failure.result_type)), expected.map(Into::into), "{stage:?}");
        }
        let names = FailureType::ALL.map(|(result_type, _)| result_type);
        assert_eq!(name(DaneRequired), "dane-required");
        for one in [
            StarttlsNotSupported,
            CertificateHostMismatch,
            CertificateExpired,
            CertificateNotTrusted,
            ValidationFailure,
            TlsaInvalid,
            DnssecInvalid,
            DaneRequired,
            StsPolicyFetchError,
            StsPolicyInvalid,
            StsWebpkiInvalid,
        ] {
            assert_eq!(names.iter().filter(|known| **known == one).count(), 1, "{one:?}");
        }
    }
}
