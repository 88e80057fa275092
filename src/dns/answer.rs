//! Answers, typed.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RData};

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Records of the type that was asked for; never none.
    Found(Found<T>),
    /// There is no such name (NXDOMAIN), nor any below it.
    NoName,
    /// There is the name, and it has no record of the type.
    NoData(Bare),
}

/// A name that has no record of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bare {
    /// The name that was asked for, or the last of its aliases, as in [`Found::name`].
    pub name: String,
    /// Whether DNSSEC vouches for that, and for each alias before it.
    pub security: Security,
}

/// Records that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// The records, in the order of the answer.
    pub records: Vec<T>,
    /// How long they hold.
    pub ttl: Duration,
    /// Whether DNSSEC vouches for them, and for each alias before them.
    pub security: Security,
    /// The name that they belong to: the one that was asked for, or the last of its aliases. Lower case, no dot at the
    /// end.
    pub name: String,
}

/// Whether an answer was validated by DNSSEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// It was not, or nobody says so whose word counts.
    Insecure,
    /// A resolver that is trusted has validated it.
    Secure,
}

/// One mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// The lower, the earlier it is tried.
    pub preference: u16,
    /// The host.
    pub exchange: Target,
}

/// One server of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// The lower, the earlier it is tried.
    pub priority: u16,
    /// Its share among those of the same priority.
    pub weight: u16,
    /// TCP port.
    pub port: u16,
    /// The host.
    pub target: Target,
}

/// A TLSA record (RFC 6698 section 2.1), with the numbers as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// 2 is DANE-TA, 3 DANE-EE.
    pub usage: u8,
    /// 0 is the certificate, 1 its public key.
    pub selector: u8,
    /// 0 is the thing itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// What the selected thing must be.
    pub data: Vec<u8>,
}

/// As in a zone file (RFC 6698 section 2.2).
impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The host that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `.`: there is no such service (RFC 2782, RFC 7505).
    None,
    /// A host name: letters, digits, hyphens and underscores, lower case, no dot at the end.
    Host(String),
    /// Something that is no host name: an address written as a name, or octets that no host has. As it is shown.
    Unusable(String),
}

/// An answer as it is remembered, its records of the type that was asked for.
pub(super) enum Raw {
    Found(Found<RData>),
    NoName,
    NoData(Bare),
}

impl Raw {
    /// How long it holds. What is not there may come soon.
    pub(super) fn ttl(&self) -> Duration {
        match self {
            Raw::Found(found) => found.ttl,
            Raw::NoName | Raw::NoData(_) => Duration::ZERO,
        }
    }

    pub(super) fn typed<T>(&self, read: impl Fn(&RData) -> Option<T>) -> Answer<T> {
        match self {
            Raw::NoName => Answer::NoName,
            Raw::NoData(bare) => Answer::NoData(bare.clone()),
            Raw::Found(Found { records, ttl, security, name }) => {
                let records: Vec<T> = records.iter().filter_map(read).collect();
                let (name, security) = (name.clone(), *security);
                match records.is_empty() {
                    true => Answer::NoData(Bare { name, security }),
                    false => Answer::Found(Found { records, ttl: *ttl, security, name }),
                }
            }
        }
    }
}

pub(super) fn mx(data: &RData) -> Option<Mx> {
    match data {
        RData::MX(mx) => Some(Mx { preference: mx.preference, exchange: target(&mx.exchange) }),
        _ => None,
    }
}

pub(super) fn srv(data: &RData) -> Option<Srv> {
    match data {
        RData::SRV(srv) => {
            Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: target(&srv.target) })
        }
        _ => None,
    }
}

pub(super) fn tlsa(data: &RData) -> Option<Tlsa> {
    match data {
        RData::TLSA(tlsa) => Some(Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        }),
        _ => None,
    }
}

pub(super) fn txt(data: &RData) -> Option<Vec<u8>> {
    match data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    }
}

pub(super) fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

fn target(name: &Name) -> Target {
    if name.is_root() {
        return Target::None;
    }
    let is_label =
        |label: &[u8]| label.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    let is_number = |label: &[u8]| label.iter().all(u8::is_ascii_digit);
    // A last label of digits alone is the end of an address and no top-level domain (RFC 1123 section 2.1).
    match name.iter().all(is_label) && !name.iter().next_back().is_some_and(is_number) {
        true => Target::Host(shown(name)),
        false => Target::Unusable(shown(name)),
    }
}

/// A name in lower case without a dot at its end, and what is no letter in it escaped.
pub(super) fn shown(name: &Name) -> String {
    let label = |label: &[u8]| {
        let octets = label.to_ascii_lowercase();
        octets
            .iter()
            .map(|octet| if *octet == b'.' { "\\.".to_owned() } else { octet.escape_ascii().to_string() })
            .collect()
    };
    name.iter().map(label).collect::<Vec<String>>().join(".")
}
