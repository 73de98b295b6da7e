//! Webhooks as the sandbox would sign them.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of the header `webhook-signature` for a body that is sent now.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let time = chrono::Utc::now().timestamp();
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let code = mac.chain_update(format!("{time}.")).chain_update(body).finalize().into_bytes();
    let mut signature = format!("t={time},v1=");
    for byte in code {
        write!(signature, "{byte:02x}").unwrap();
    }
    signature
}
