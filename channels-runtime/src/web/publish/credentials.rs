//! The credential of a request: a bearer secret, or a signature of the timestamp and the body.

use std::time::Duration;

use hmac::{Hmac, Mac};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

use crate::web::publish::refusal::Refusal;

/// The shortest secret, in bytes. HMAC-SHA256 needs as many (RFC 7518, 3.2).
pub(super) const MIN_SECRET: usize = 32;

/// The time of the signature, in seconds since 1970, with up to nine decimals.
const TIMESTAMP: HeaderName = HeaderName::from_static("channels-timestamp");

/// The signature: `v1=` and 64 hex digits.
const SIGNATURE: HeaderName = HeaderName::from_static("channels-signature");

/// The beginning of the signed text. A signature for another purpose with the same secret begins otherwise.
const PURPOSE: &[u8] = b"channels-publish-v1:";

/// The difference between the clocks of the backend and of this server by which a timestamp may be in the future.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// The length of a signature, in bytes.
const LENGTH: usize = 32;

/// A signature that was verified. The beginning is enough to recognise it.
pub(super) type Signature = [u8; 16];

/// The accepted secrets.
pub(super) struct Secrets {
    keys: Vec<Hmac<Sha256>>,
    /// The digests of the secrets under a key that only this process knows. Comparing digests takes the same time for every
    /// wrong secret.
    digests: Vec<Hmac<Sha256>>,
    digest: Hmac<Sha256>,
}

/// The claim of a request, from its headers alone.
#[derive(Debug)]
pub(super) enum Claim {
    /// The bearer secret was right.
    Bearer,
    /// The request claims this signature, which also needs the body.
    Signed { timestamp: String, signature: [u8; LENGTH] },
}

impl Secrets {
    pub(super) fn new(secrets: &[String]) -> Self {
        let key = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        let digest = mac(&key);
        let of = |secret: &String| {
            let mut digest = digest.clone();
            digest.update(secret.as_bytes());
            digest
        };
        Self {
            keys: secrets.iter().map(|secret| mac(secret.as_bytes())).collect(),
            digests: secrets.iter().map(of).collect(),
            digest,
        }
    }

    /// Checks the headers of a request at this time since 1970.
    ///
    /// # Errors
    /// If there is no credential, or it is wrong or old.
    pub(super) fn check(&self, headers: &HeaderMap, window: Duration, now: Duration) -> Result<Claim, Refusal> {
        if headers.contains_key(SIGNATURE) || headers.contains_key(TIMESTAMP) {
            return signed(headers, window, now);
        }
        let Some(authorization) = headers.get(AUTHORIZATION) else { return Err(Refusal::NoCredential) };
        if headers.get_all(AUTHORIZATION).iter().count() > 1 {
            return Err(Refusal::Credential);
        }
        match authorization.as_bytes().split_at_checked(7) {
            Some((scheme, secret)) if scheme.eq_ignore_ascii_case(b"bearer ") && self.includes(secret.trim_ascii()) => {
                Ok(Claim::Bearer)
            }
            _ => Err(Refusal::Credential),
        }
    }

    /// Returns whether this is one of the secrets. Takes the same time for all of a length.
    fn includes(&self, secret: &[u8]) -> bool {
        let mut digest = self.digest.clone();
        digest.update(secret);
        let digest = digest.finalize().into_bytes();
        // All of them: the time must not depend on the one that fits.
        self.digests.iter().fold(false, |found, own| found | own.clone().verify_slice(&digest).is_ok())
    }

    /// Checks a claimed signature.
    ///
    /// # Errors
    /// If no secret has made it.
    pub(super) fn verify(&self, timestamp: &str, signature: &[u8; LENGTH], body: &[u8]) -> Result<Signature, Refusal> {
        let is_from = |key: &Hmac<Sha256>| {
            let mut mac = key.clone();
            mac.update(PURPOSE);
            mac.update(timestamp.as_bytes());
            mac.update(b":");
            mac.update(body);
            mac.verify_slice(signature).is_ok()
        };
        if !self.keys.iter().any(is_from) {
            return Err(Refusal::Signature);
        }
        let (beginning, _) = signature.split_first_chunk().expect("a signature is longer than its beginning");
        Ok(*beginning)
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key may have any length")
}

fn signed(headers: &HeaderMap, window: Duration, now: Duration) -> Result<Claim, Refusal> {
    let timestamp = only(headers, &TIMESTAMP).ok_or(Refusal::NoTimestamp)?;
    let time = seconds(timestamp).ok_or(Refusal::NoTimestamp)?;
    let signature = only(headers, &SIGNATURE).and_then(digits).ok_or(Refusal::NoSignature)?;
    if time + window < now {
        return Err(Refusal::Old { window });
    }
    if time > now + SKEW {
        return Err(Refusal::Future);
    }
    Ok(Claim::Signed { timestamp: timestamp.to_owned(), signature })
}

/// Returns the value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Reads a number of seconds with up to nine decimals.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole, 12) || !is_number(decimals, 9) {
        return None;
    }
    Some(Duration::new(whole.parse().ok()?, format!("{decimals:0<9}").parse().ok()?))
}

/// Reads `v1=` and the hex digits of a signature.
fn digits(text: &str) -> Option<[u8; LENGTH]> {
    let digits = text.strip_prefix("v1=")?.as_bytes();
    let mut signature = [0; LENGTH];
    if digits.len() != 2 * LENGTH {
        return None;
    }
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok()?;
    }
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const WINDOW: Duration = Duration::from_secs(300);

    fn secrets() -> Secrets {
        Secrets::new(&["an older secret that has enough bytes".replace(' ', "-"), SECRET.to_owned()])
    }

    fn check(headers: &[(&'static str, &str)], now: u64) -> Result<Claim, Refusal> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        secrets().check(&headers.collect(), WINDOW, Duration::from_secs(now))
    }

    #[test]
    fn bearer_secret_is_compared_as_a_whole() {
        let bearer = |text: &str| check(&[("authorization", text)], 0);
        assert!(matches!(bearer(&format!("Bearer {SECRET}")), Ok(Claim::Bearer)));
        assert!(matches!(bearer(&format!("bearer  {SECRET}")), Ok(Claim::Bearer)));
        assert!(bearer("Bearer an-older-secret-that-has-enough-bytes").is_ok());
        for wrong in [
            "Bearer",
            "Bearer ",
            &format!("Bearer {}", &SECRET[..31]),
            &format!("Bearer {SECRET}0"),
            &format!("Basic {SECRET}"),
            SECRET,
        ] {
            assert!(matches!(bearer(wrong), Err(Refusal::Credential)), "{wrong}");
        }
        let twice = [("authorization", "Bearer x"), ("authorization", &*format!("Bearer {SECRET}"))];
        assert!(matches!(check(&twice, 0), Err(Refusal::NoCredential | Refusal::Credential)));
        assert!(matches!(check(&[], 0), Err(Refusal::NoCredential)));
    }

    /// The signature is from Python: `hmac.new(secret, b"channels-publish-v1:1700000000.5:{}", "sha256").hexdigest()`.
    #[test]
    fn signature_is_that_of_python_and_covers_timestamp_and_body() {
        const SIGNED: &str = "v1=70c2bd5210f4f4805a5c6dd0504a968658ad28ef8646e00adfcf3e8b685e8fff";
        let claim = check(&[("channels-timestamp", "1700000000.5"), ("channels-signature", SIGNED)], 1_700_000_001);
        let Ok(Claim::Signed { timestamp, signature }) = claim else { panic!("{claim:?}") };
        let verify = |timestamp: &str, body: &str| secrets().verify(timestamp, &signature, body.as_bytes());
        assert!(verify(&timestamp, "{}").is_ok());
        assert!(verify("1700000000.6", "{}").is_err());
        assert!(verify(&timestamp, "{} ").is_err());
        assert!(
            Secrets::new(&["another-secret-that-has-enough-bytes".to_owned()])
                .verify(&timestamp, &signature, b"{}")
                .is_err()
        );
    }

    #[test]
    fn timestamp_is_at_most_the_window_old() {
        let digits = format!("v1={}", "0".repeat(64));
        let at = |timestamp: &str| {
            check(&[("channels-timestamp", timestamp), ("channels-signature", &digits)], 1_700_000_000).map(drop)
        };
        assert!(at("1700000000").is_ok() && at("1699999700").is_ok() && at("1700000060").is_ok());
        assert!(matches!(at("1699999699"), Err(Refusal::Old { .. })));
        assert!(matches!(at("1700000060.000000001"), Err(Refusal::Future)));
        for wrong in ["", ".", "1.", ".5", "-1", "+1700000000", "1e9", "1700000000.1234567890", "9999999999999", "1 "] {
            assert!(matches!(at(wrong), Err(Refusal::NoTimestamp)), "{wrong:?}");
        }
        let digits = [("channels-timestamp", "1700000000"), ("channels-signature", "v1=00")];
        assert!(matches!(check(&digits, 1_700_000_000), Err(Refusal::NoSignature)));
        assert!(matches!(check(&digits[..1], 1_700_000_000), Err(Refusal::NoSignature)));
        assert!(matches!(check(&digits[1..], 1_700_000_000), Err(Refusal::NoTimestamp)));
    }
}
