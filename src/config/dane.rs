//! By what the certificate of a server is judged. No key says so: DNSSEC does, of mail exchangers (RFC 7672), and the
//! policies of their domains (RFC 8461), where the account keeps to them.

/// By what the certificate of a server is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By what the keys say: authorities, pins, or nothing where clear text would do as well.
    AsAccount,
    /// By TLSA records, whatever authorities say.
    Dane(Dane),
    /// By nothing, though there must be TLS: there are TLSA records, and none can be used (RFC 7672 section 2.2).
    Nothing,
    /// By nothing; but what the keys would have against it is told. A domain tries its policy (RFC 8461 section 5).
    Watched,
}

/// The `mta-sts` key: the policies of domains for TLS with their mail exchangers (RFC 8461).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtaSts {
    /// They are asked for and kept to. The default.
    Auto,
    /// Nobody is asked.
    Never,
}

/// The TLSA records of a mail exchanger that can be used. One of them must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dane {
    /// DANE-EE(3): what the server's own certificate may be, whatever its names and dates (RFC 7672 section 3.1.1).
    pub servers: Vec<Association>,
    /// DANE-TA(2): what a certificate above it may be (RFC 7672 section 3.1.2).
    pub anchors: Vec<Association>,
    /// With an authority, one of these must be in the server's certificate (RFC 7672 section 3.2.2).
    pub names: Vec<String>,
}

/// What a certificate, or a part of it, must be (RFC 6698 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Of what it speaks.
    pub selector: Selector,
    /// In what form.
    pub matching: Matching,
    /// The octets.
    pub data: Vec<u8>,
}

/// The part of a certificate that is looked at (RFC 6698 section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All of it.
    Certificate,
    /// Its public key (SubjectPublicKeyInfo).
    PublicKey,
}

/// The form in which it is compared (RFC 6698 section 2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// As it is.
    Full,
    /// SHA-256 of it.
    Sha256,
    /// SHA-512 of it.
    Sha512,
}
