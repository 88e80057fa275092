//! What a sender wishes of the servers beyond delivery.

use super::dsn::{EnvelopeId, Notify, Returned};

/// Wishes for one message and all its recipients. Each is a parameter of MAIL or RCPT where the server knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Notifications of what becomes of the message (RFC 3461).
    pub dsn: Dsn,
}

/// Wishes for delivery status notifications (RFC 3461).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dsn {
    /// When one is wanted; `None` leaves it to the server, which tells of failures.
    pub notify: Option<Notify>,
    /// What of the message it brings back; `None` leaves it to the server.
    pub returned: Option<Returned>,
    /// What it calls the message.
    pub envelope_id: Option<EnvelopeId>,
}
