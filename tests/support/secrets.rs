//! The login of tests that look for secrets, and the forms in which a secret could show.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub const USER: &str = "alice@example.org";
pub const PASSWORD: &str = "Tr0ub4dor&3-horse";

/// The password, and forms in which it travels.
pub fn secrets() -> [Vec<u8>; 5] {
    let plain = format!("\0{USER}\0{PASSWORD}");
    let hex: String = PASSWORD.bytes().map(|octet| format!("{octet:02x}")).collect();
    [
        PASSWORD.into(),
        BASE64.encode(PASSWORD).into(),
        BASE64.encode(&plain).into(),
        plain.into_bytes(),
        hex.into_bytes(),
    ]
}
