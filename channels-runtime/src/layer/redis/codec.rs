//! The sealing of a message for Redis: encryption and a random prefix.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use fernet::Fernet;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::codec::Format;
use crate::error::DecodeError;
use crate::layer::config::LayerConfig;
use crate::layer::redis::clock;

/// The number of seconds by which a sender's clock may be ahead, as specified by Fernet.
const CLOCK_SKEW: u64 = 60;

/// The time in seconds for which an encrypted message is valid beyond `expiry` in the core layer, as in channels_redis.
const GRACE: u64 = 10;

/// Seals and opens messages like `channels_redis.serializers`.
pub(crate) struct Codec {
    format: Format,
    random_prefix: usize,
    /// The first key encrypts. To decrypt, all keys are tried in order.
    keys: Vec<Fernet>,
    /// The time in seconds for which an encrypted message is valid, or `None` for no limit.
    lifetime: Option<u64>,
}

impl Codec {
    /// Returns the codec of the pub/sub layer, without a random prefix or a lifetime.
    pub(crate) fn for_pubsub(config: &LayerConfig) -> Self {
        Self { format: config.serializer_format, random_prefix: 0, keys: keys(config), lifetime: None }
    }

    /// Returns the codec of the core layer. The random prefix makes two equal messages two entries of a sorted set.
    pub(crate) fn for_core(config: &LayerConfig) -> Self {
        let lifetime = Some(lifetime(config.expiry));
        let random_prefix = config.random_prefix_length;
        Self { format: config.serializer_format, random_prefix, keys: keys(config), lifetime }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Encrypts a serialised message, and adds the random prefix.
    pub(crate) fn seal(&self, body: Bytes) -> Bytes {
        let body = match self.keys.first() {
            Some(key) => key.encrypt(&body).into(),
            None => body,
        };
        if self.random_prefix == 0 {
            return body;
        }
        let mut sealed = Vec::with_capacity(self.random_prefix + body.len());
        while sealed.len() < self.random_prefix {
            let random = Uuid::new_v4();
            let wanted = (self.random_prefix - sealed.len()).min(random.as_bytes().len());
            sealed.extend_from_slice(&random.as_bytes()[..wanted]);
        }
        sealed.extend_from_slice(&body);
        sealed.into()
    }

    /// Returns the serialised message that a peer has sealed.
    ///
    /// # Errors
    /// The message is shorter than the random prefix, cannot be decrypted with any key, is too old, or has a date in the
    /// future.
    pub(crate) fn open(&self, mut sealed: Bytes) -> Result<Bytes, DecodeError> {
        if sealed.len() < self.random_prefix {
            return Err(DecodeError::Truncated);
        }
        let body = sealed.split_off(self.random_prefix);
        if self.keys.is_empty() {
            return Ok(body);
        }
        let token = std::str::from_utf8(&body).map_err(|_| DecodeError::Undecryptable)?;
        // `fernet` calculates with the date before it verifies the token, so a forged date would overflow.
        if date(token).is_none_or(|date| date > clock::now() as u64 + CLOCK_SKEW) {
            return Err(DecodeError::Undecryptable);
        }
        let decrypted = self.keys.iter().find_map(|key| {
            match self.lifetime {
                Some(lifetime) => key.decrypt_with_ttl(token, lifetime),
                None => key.decrypt(token),
            }
            .ok()
        });
        decrypted.map(Bytes::from).ok_or(DecodeError::Undecryptable)
    }
}

fn lifetime(expiry: Duration) -> u64 {
    clock::whole_seconds(expiry) + GRACE
}

fn keys(config: &LayerConfig) -> Vec<Fernet> {
    let keys = config.symmetric_encryption_keys.iter();
    keys.map(|key| Fernet::new(&derived(key)).expect("a key of 32 bytes in base64")).collect()
}

/// Returns the Fernet key for a configured key.
fn derived(key: &str) -> String {
    URL_SAFE.encode(Sha256::digest(key.as_bytes()))
}

/// Returns the creation time in a Fernet token: eight bytes after the version.
fn date(token: &str) -> Option<u64> {
    let head = URL_SAFE.decode(token.get(..12)?).ok()?;
    let date: [u8; 8] = head.get(1..9)?.try_into().ok()?;
    Some(u64::from_be_bytes(date))
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, random_prefix, keys, .. } = self;
        write!(f, "Codec({format:?}, {random_prefix} random bytes, {} keys)", keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `82a474797065ac636861742e6d657373616765a474657874a26869`, encrypted by Python's `cryptography` with "a-test-key"
    /// at 1700000000 and the initial vector 00..0f.
    const TOKEN: &str = "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD7xN5qdsP4vMv1lrUBvRyXf1h2_qlW7_wIIMSmMyiCEZEPgeTDRIQQl9ANBQi1B2P4FuNiNASovFPP3J1GPi0o8=";
    const BODY: &[u8] = b"\x82\xa4type\xacchat.message\xa4text\xa2hi";

    fn config(keys: &[&str]) -> LayerConfig {
        LayerConfig::default().symmetric_encryption_keys(keys.iter().copied())
    }

    #[test]
    fn key_derivation_matches_channels_redis() {
        assert_eq!(derived("a-test-key"), "vQHTG9CFHUSqb8quMxeiDkUMwWkp8zurx5IirXypqVI=");
    }

    #[test]
    fn token_of_python_opens() {
        let codec = Codec::for_pubsub(&config(&["another", "a-test-key"]));
        assert_eq!(&codec.open(TOKEN.into()).unwrap()[..], BODY);
        // In the core layer a message of 2023 is too old.
        let codec = Codec::for_core(&config(&["a-test-key"]));
        let entry = [b"012345678901", TOKEN.as_bytes()].concat();
        assert!(matches!(codec.open(entry.into()), Err(DecodeError::Undecryptable)));
    }

    #[test]
    fn random_prefix_is_not_encrypted() {
        let plain = Codec::for_core(&config(&[]));
        let (one, two) = (plain.seal(Bytes::from_static(BODY)), plain.seal(Bytes::from_static(BODY)));
        assert_eq!((&one[12..], &two[12..]), (BODY, BODY));
        assert_ne!(one[..12], two[..12]);
        let secret = Codec::for_core(&config(&["a-test-key"])).seal(Bytes::from_static(BODY));
        assert!(secret[12..].starts_with(b"gAAAA"));
        for length in [0, 8, 16, 40] {
            let codec = Codec::for_core(&config(&[]).random_prefix_length(length));
            let sealed = codec.seal(Bytes::from_static(BODY));
            assert_eq!(sealed.len(), length + BODY.len());
            assert_eq!(&codec.open(sealed).unwrap()[..], BODY);
        }
    }

    #[test]
    fn rotated_keys_open_old_and_new_messages() {
        let (old, both, new) = (config(&["old"]), config(&["new", "old"]), config(&["new"]));
        let sealed = |config| Codec::for_core(config).seal(Bytes::from_static(BODY));
        let opens = |config, sealed: &Bytes| Codec::for_core(config).open(sealed.clone()).is_ok();
        let (by_old, by_both) = (sealed(&old), sealed(&both));
        assert!(opens(&both, &by_old) && opens(&both, &by_both));
        assert!(opens(&new, &by_both) && !opens(&new, &by_old) && !opens(&old, &by_both));
    }

    #[test]
    fn invalid_message_returns_error() {
        let codec = Codec::for_core(&config(&["a-test-key"]));
        let wild_date = format!("012345678901{}", URL_SAFE.encode([[0x80].as_slice(), &[0xff; 90]].concat()));
        let short = "012345678901gAAA";
        for garbage in
            [&b""[..], b"0123", b"012345678901", b"012345678901\xff\xfe", short.as_bytes(), wild_date.as_bytes()]
        {
            assert!(codec.open(Bytes::copy_from_slice(garbage)).is_err());
        }
        assert!(matches!(Codec::for_core(&config(&[])).open(Bytes::from_static(b"123")), Err(DecodeError::Truncated)));
    }

    #[test]
    fn debug_hides_keys() {
        let config = config(&["a-test-key"]);
        assert!(!format!("{config:?} {:?}", Codec::for_core(&config)).contains("a-test-key"));
    }
}
