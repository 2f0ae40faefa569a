//! The signature of a request to a backend.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

/// The beginning of the signed text. A signature for another purpose with the same secret begins otherwise.
const PURPOSE: &str = "channels-backend-v1";

/// The time of the signature, in seconds since 1970.
const TIMESTAMP: HeaderName = HeaderName::from_static("channels-timestamp");

/// The signature: `v1=` and 64 hex digits.
const SIGNATURE: HeaderName = HeaderName::from_static("channels-signature");

/// The key of a request, which stays the same when it is sent again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Signs requests with HMAC-SHA256.
#[derive(Clone)]
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("a key may have any length"))
    }

    /// Returns the signature of five lines: the purpose, the time, the key of the request, its path with the query, and the body. None
    /// of the first four can contain a line feed.
    fn sign(&self, timestamp: &str, key: &str, path: &str, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        for line in [PURPOSE, timestamp, key, path] {
            mac.update(line.as_bytes());
            mac.update(b"\n");
        }
        mac.update(body);
        let mut signature = String::from("v1=");
        for byte in mac.finalize().into_bytes() {
            signature.push_str(&format!("{byte:02x}"));
        }
        signature
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// Adds the key of a request, and the time and the signature if there is a secret. Each attempt has its own time.
pub(super) fn add_headers(headers: &mut HeaderMap, signer: Option<&Signer>, key: &str, path: &str, body: &[u8]) {
    let value = |text: &str| HeaderValue::try_from(text).expect("it consists of letters, digits, `-` and `=`");
    headers.insert(IDEMPOTENCY_KEY, value(key));
    if let Some(signer) = signer {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs().to_string();
        headers.insert(SIGNATURE, value(&signer.sign(&timestamp, key, path, body)));
        headers.insert(TIMESTAMP, value(&timestamp));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_covers_time_key_path_and_body() {
        let signer = Signer::new(b"0123456789abcdef0123456789abcdef");
        let signed = signer.sign("1700000000", "k", "/save?x=1", b"{}");
        // From Python: hmac.new(secret, b"channels-backend-v1\n1700000000\nk\n/save?x=1\n{}", "sha256").hexdigest()
        assert_eq!(signed, "v1=1cbd9ff17430faddb2af0367d765c4445bb6ddbd052e28a0dbc8d21e3253af62");
        for other in [
            signer.sign("1700000001", "k", "/save?x=1", b"{}"),
            signer.sign("1700000000", "l", "/save?x=1", b"{}"),
            signer.sign("1700000000", "k", "/save?x=2", b"{}"),
            signer.sign("1700000000", "k", "/save?x=1", b"{} "),
            Signer::new(b"another-secret-that-has-enough-bytes").sign("1700000000", "k", "/save?x=1", b"{}"),
        ] {
            assert_ne!(signed, other);
        }
    }
}
