//! CRAM-MD5 (RFC 2195).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

/// `user SP hex(HMAC-MD5(password, challenge))` (section 2).
pub(super) fn response(user: &str, password: &str, challenge: &[u8]) -> Vec<u8> {
    let mut out = format!("{user} ").into_bytes();
    // HMAC takes a key of any length, so there is no failing case to report.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(password.as_bytes()) else { return out };
    mac.update(challenge);
    for octet in mac.finalize().into_bytes() {
        out.extend_from_slice(format!("{octet:02x}").as_bytes());
    }
    out
}
