//! MTA-STS (RFC 8461): what a domain asks of TLS with its mail exchangers, by a text in DNS and a file on a web server.

pub mod file;
mod policies;
pub mod record;

pub use self::policies::{InForce, Policies};

use self::file::{Mode, PolicyFile};
use self::policies::Known;
use super::no_route;
use super::policy::{Applied, Barred, Exchanger, Flaw, Policy, PolicyKind, base, for_exchanger};
use crate::config::account::{Account, Proof, Tls, TlsPolicy};
use crate::smtp::outcome::NoRouteKind;

/// What a policy says of a host (RFC 8461 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// Nothing.
    Free,
    /// TLS, with a certificate for it by an authority.
    Bound,
    /// No mail.
    Forbidden,
    /// It would be bound; but the domain only tests.
    Watched,
    /// It would be forbidden; but the domain only tests.
    Blamed,
}

fn judge(file: &PolicyFile, host: &str) -> Judged {
    match (file.mode, file.allows(host)) {
        (Mode::None, _) => Judged::Free,
        (Mode::Enforce, true) => Judged::Bound,
        (Mode::Enforce, false) => Judged::Forbidden,
        (Mode::Testing, true) => Judged::Watched,
        (Mode::Testing, false) => Judged::Blamed,
    }
}

/// Hosts of a policy that go into a report: a domain with a thousand must not fill ours.
const REPORTED: usize = 40;

/// What the policy of the domain asks of TLS with this host; as the account has it where there is none.
///
/// # Errors
/// The host is not among those of the policy.
pub(super) fn policy(account: &Account, known: &Known, host: Exchanger<'_>) -> Result<Policy, Box<Barred>> {
    let usual = base(account, host.domain);
    let Some(InForce { file, .. }) = &known.policy else {
        return Ok(Policy { applied: Applied { flaw: known.flaw.clone(), ..usual.applied }, ..usual });
    };
    let applied = Applied {
        recipients: host.domain.to_owned(),
        kind: PolicyKind::Sts,
        domain: host.domain.to_owned(),
        strings: reported(file).to_string().lines().map(str::to_owned).collect(),
        mx: reported(file).mx.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        flaw: known.flaw.clone(),
    };
    let wanted = account.tls.on_exchangers;
    Ok(match judge(file, host.host) {
        Judged::Free => Policy { applied, ..usual },
        Judged::Bound => Policy {
            tls: for_exchanger(&account.tls, TlsPolicy::Required),
            reason: "TLS with a checked certificate (MTA-STS asks for it)".to_owned(),
            applied,
        },
        Judged::Forbidden => {
            let words = format!("{} is not among the hosts of the MTA-STS policy of {}", host.host, host.domain);
            let cause = no_route(NoRouteKind::Untrusted, words);
            return Err(Box::new(Barred { host: host.host.to_owned(), cause, applied }));
        }
        Judged::Watched => {
            let tls = watched(&account.tls, wanted);
            Policy { tls, reason: format!("{}; MTA-STS tests", usual.reason), applied }
        }
        Judged::Blamed => {
            let why = "MTA-STS tests, and would not send to this host, which the policy does not name";
            let tls = watched(&account.tls, wanted);
            let applied = Applied { flaw: applied.flaw.or(Some(Flaw::StsHost)), ..applied };
            Policy { tls, reason: format!("{}; {why}", usual.reason), applied }
        }
    })
}

/// The policy with as many hosts as go into a report.
fn reported(file: &PolicyFile) -> PolicyFile {
    PolicyFile { mx: file.mx.iter().take(REPORTED).cloned().collect(), ..*file }
}

/// TLS as the account has it; what would be wrong with a certificate that it does not look at is told.
fn watched(tls: &Tls, wanted: TlsPolicy) -> Tls {
    let usual = for_exchanger(tls, wanted);
    match wanted {
        TlsPolicy::Opportunistic => Tls { proof: Proof::Watched, ..usual },
        TlsPolicy::Required | TlsPolicy::None => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-327, P-328: by mode, and by whether the policy names the host.
    #[test]
    fn the_mode_decides() {
        let file = |mode: &str| {
            PolicyFile::parse(
                format!("version: STSv1\nmode: {mode}\nmx: mx1.a.test\nmx: *.b.test\nmax_age: 1").as_bytes(),
            )
            .unwrap()
        };
        for (mode, named, other) in [
            ("enforce", Judged::Bound, Judged::Forbidden),
            ("testing", Judged::Watched, Judged::Blamed),
            ("none", Judged::Free, Judged::Free),
        ] {
            let file = file(mode);
            for (host, judged) in [
                ("mx1.a.test", named),
                ("x.b.test", named),
                ("mx2.a.test", other),
                ("b.test", other),
                ("x.y.b.test", other),
            ] {
                assert_eq!(judge(&file, host), judged, "{mode} {host}");
            }
        }
    }
}
