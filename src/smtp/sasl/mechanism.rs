//! The mechanisms that we speak, and what each needs.

use super::crypto::Hash;

/// A mechanism that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4422 appendix A: the client's certificate says who it is.
    External,
    /// RFC 7628.
    OAuthBearer,
    /// The same before it was a standard.
    XOAuth2,
    /// RFC 7677, bound to the TLS connection.
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802, bound to the TLS connection.
    ScramSha1Plus,
    /// RFC 5802.
    ScramSha1,
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
    /// RFC 2195.
    CramMd5,
}

/// All of them, in the order of preference: those without a password, then the others by their strength.
const ALL: [Mechanism; 10] = [
    Mechanism::External,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha1,
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::CramMd5,
];

/// Those for a password, in the order in which they are chosen when TLS is verified. SCRAM gives the server nothing that it could use
/// elsewhere; PLAIN and LOGIN reveal the password to the server only, which knows it, while CRAM-MD5 asks the server to
/// store it in the clear.
pub const BY_STRENGTH: &[Mechanism] = ALL.split_at(WITHOUT_PASSWORD).1;

/// So many of them want no password.
const WITHOUT_PASSWORD: usize = 3;

/// What must be around a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelter {
    /// Nothing: whoever reads along gains nothing.
    None,
    /// Verified TLS, or the word of the account that the password may go in clear text: whoever reads along has the
    /// password, or enough to guess it.
    Secrecy,
    /// Verified TLS, whatever the account says (RFC 7628 section 4; EXTERNAL is nothing without).
    VerifiedTls,
}

/// What a mechanism wants from the account besides the user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A password.
    Password,
    /// An access token.
    Token,
    /// Nothing that could be sent: a certificate that TLS has shown.
    Certificate,
}

/// Whether a mechanism is bound to the TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// `-PLUS`.
    Bound,
    /// It would work on any connection.
    Free,
}

impl Mechanism {
    /// The IANA name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::External => "EXTERNAL",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::XOAuth2 => "XOAUTH2",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Mechanism::ScramSha1 => "SCRAM-SHA-1",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
        }
    }

    /// The mechanism of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// What must be around it.
    pub fn shelter(self) -> Shelter {
        match (self.wants(), self.scram()) {
            (Wants::Token | Wants::Certificate, _) => Shelter::VerifiedTls,
            (Wants::Password, Some(_)) => Shelter::None,
            (Wants::Password, None) => Shelter::Secrecy,
        }
    }

    /// What it wants from the account.
    pub fn wants(self) -> Wants {
        match self {
            Mechanism::External => Wants::Certificate,
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => Wants::Token,
            _ => Wants::Password,
        }
    }

    /// What kind of SCRAM it is, if it is one.
    pub fn scram(self) -> Option<(Hash, Bond)> {
        match self {
            Mechanism::ScramSha256Plus => Some((Hash::Sha256, Bond::Bound)),
            Mechanism::ScramSha256 => Some((Hash::Sha256, Bond::Free)),
            Mechanism::ScramSha1Plus => Some((Hash::Sha1, Bond::Bound)),
            Mechanism::ScramSha1 => Some((Hash::Sha1, Bond::Free)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P-178
    #[test]
    fn the_order_of_strength() {
        let names: Vec<&str> = BY_STRENGTH.iter().map(|mechanism| mechanism.name()).collect();
        assert_eq!(
            names.join(" "),
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5"
        );
    }

    /// P-178
    #[test]
    fn without_tls_there_is_nothing_but_scram() {
        for mechanism in BY_STRENGTH {
            assert_eq!(mechanism.wants(), Wants::Password);
            let scram = mechanism.name().starts_with("SCRAM-");
            assert_eq!(mechanism.shelter() == Shelter::None, scram, "{mechanism:?}");
        }
    }

    /// P-196 P-218
    #[test]
    fn tokens_go_under_verified_tls_only() {
        for mechanism in [Mechanism::External, Mechanism::OAuthBearer, Mechanism::XOAuth2] {
            assert_eq!(mechanism.shelter(), Shelter::VerifiedTls);
            assert!(!BY_STRENGTH.contains(&mechanism));
        }
    }

    /// P-175
    #[test]
    fn names_are_compared_without_regard_to_case() {
        for mechanism in ALL {
            assert_eq!(Mechanism::named(&mechanism.name().to_lowercase()), Some(mechanism));
            assert!(mechanism.name().len() <= 20);
        }
    }

    /// P-225
    #[test]
    fn historic_mechanisms_do_not_exist() {
        assert_eq!(Mechanism::named("DIGEST-MD5"), None);
    }
}
