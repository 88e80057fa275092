//! Channel binding: a login that holds on one TLS connection only, so that nobody in between can pass it on (RFC 5056,
//! RFC 5802 section 6).

/// What names a TLS connection, at both of its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// `tls-exporter` (RFC 9266): 32 octets of keying material.
    Exporter([u8; 32]),
    /// `tls-server-end-point` (RFC 5929 section 4): a hash of the server's certificate.
    ServerEndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// Its name in the gs2 header.
    fn name(&self) -> &'static str {
        match self {
            ChannelBinding::Exporter(_) => "tls-exporter",
            ChannelBinding::ServerEndPoint(_) => "tls-server-end-point",
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            ChannelBinding::Exporter(octets) => octets,
            ChannelBinding::ServerEndPoint(octets) => octets,
        }
    }
}

/// What a login says of channel binding (RFC 5802 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gs2 {
    /// `n`: it does not bind.
    Unbound,
    /// `y`: it would, and thinks that the server cannot. A server that can, and reads this, knows that somebody has
    /// changed its list on the way.
    NotOffered,
    /// `p`: it does.
    Bound(ChannelBinding),
}

impl Gs2 {
    /// The gs2 header, without an authorization identity.
    pub(super) fn header(&self) -> String {
        match self {
            Gs2::Unbound => "n,,".to_owned(),
            Gs2::NotOffered => "y,,".to_owned(),
            Gs2::Bound(binding) => format!("p={},,", binding.name()),
        }
    }

    /// What the client's last message repeats of it, before base64 (`cbind-input`).
    pub(super) fn input(&self) -> Vec<u8> {
        let mut input = self.header().into_bytes();
        if let Gs2::Bound(binding) = self {
            input.extend_from_slice(binding.data());
        }
        input
    }
}
