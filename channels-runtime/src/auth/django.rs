//! Django sessions, verified without Python.

use std::fmt;
use std::io::Read;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;
use hmac::{Hmac, Mac};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::auth::identity::Login;
use crate::auth::key_error::KeyError;

/// The salt of `django.contrib.sessions.backends.signed_cookies`.
const COOKIE_SALT: &str = "django.contrib.sessions.backends.signed_cookies";

/// The salt of every other backend: all of their classes are called `SessionStore`.
const STORE_SALT: &str = "django.contrib.sessions.SessionStore";

/// `AbstractBaseUser.get_session_auth_hash`.
const PASSWORD_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// The largest session after decompression. A cookie holds 4 KB, and sessions in a database are signed, so this only limits the
/// damage of a stolen key.
const MAX_SESSION: u64 = 1024 * 1024;

/// Django's default for `SESSION_COOKIE_AGE`.
const TWO_WEEKS: Duration = Duration::from_secs(14 * 86_400);

/// The shortest `SECRET_KEY`, in bytes. With an empty one, any client could sign a session.
const MIN_KEY: usize = 16;

/// Digits of `django.core.signing.b62_encode`.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The reason why a session is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// It was not signed with one of the keys, or for another use, or was changed.
    #[error("the session's signature does not match")]
    Signature,
    /// It is older than the age of a cookie.
    #[error("the session has expired")]
    Expired,
    /// It is signed but does not hold JSON: `SESSION_SERIALIZER` is another one, such as `PickleSerializer`.
    #[error("the session is signed, but was not written by Django's JSONSerializer")]
    Serializer,
}

/// Verifies the sessions of a Django site, with its `SECRET_KEY`.
///
/// It needs Django 4.0 or later with the default `SESSION_SERIALIZER`:
///
/// | `SESSION_ENGINE` `django.contrib.sessions.backends.` | how |
/// | --- | --- |
/// | `signed_cookies` | call [`Self::verify_cookie`] with the cookie |
/// | `db`, `cached_db`, `file` | load the row or file by the cookie, and call [`Self::decode`] with its content |
/// | `cache` | not possible: the cache holds a pickled dict, which only Python can read. Use `cached_db` |
///
/// ```
/// use channels_runtime::prelude::*;
/// use channels_runtime::auth::{DjangoSessions, Login};
///
/// struct User { id: u64 }
///
/// # let secret_key = "a key of the site";
/// let sessions = DjangoSessions::new(secret_key)?;
/// let channels = Channels::builder()
///     .authenticator(move |scope: Scope| {
///         let session = scope.cookie("sessionid").and_then(|cookie| sessions.verify_cookie(cookie).ok());
///         async move {
///             let Some(session) = session else { return Ok(Login::anonymous()) };
///             let Some(id) = session.user_id().and_then(|id| id.parse().ok()) else { return Ok(Login::anonymous()) };
///             Ok(session.login(User { id }))
///         }
///     })
///     .build()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct DjangoSessions {
    keys: Vec<String>,
    cookie_age: Duration,
}

impl DjangoSessions {
    /// Creates a verifier with the site's `SECRET_KEY`.
    ///
    /// # Errors
    /// If the key has less than 16 bytes. Django generates 50.
    pub fn new(secret_key: impl Into<String>) -> Result<Self, KeyError> {
        Self::with_fallbacks(secret_key, Vec::<String>::new())
    }

    /// Creates a verifier with the site's `SECRET_KEY` and its `SECRET_KEY_FALLBACKS`: sessions that were signed with one of them
    /// are valid, too.
    ///
    /// # Errors
    /// If a key has less than 16 bytes.
    pub fn with_fallbacks<K: Into<String>>(
        secret_key: impl Into<String>,
        fallbacks: impl IntoIterator<Item = K>,
    ) -> Result<Self, KeyError> {
        let mut keys = vec![secret_key.into()];
        keys.extend(fallbacks.into_iter().map(Into::into));
        for (index, key) in keys.iter().enumerate() {
            let name = if index == 0 { "`SECRET_KEY`" } else { "a key of `SECRET_KEY_FALLBACKS`" };
            KeyError::check_length(name, key.as_bytes(), MIN_KEY)?;
        }
        Ok(Self::unchecked(keys))
    }

    /// Creates a verifier with keys of any length.
    pub(crate) fn unchecked(keys: Vec<String>) -> Self {
        Self { keys, cookie_age: TWO_WEEKS }
    }

    /// Sets the site's `SESSION_COOKIE_AGE`. Default: two weeks, as in Django.
    #[must_use]
    pub fn cookie_age(mut self, age: Duration) -> Self {
        self.cookie_age = age;
        self
    }

    /// Returns the session in the cookie of `signed_cookies`.
    ///
    /// # Errors
    /// If it is not signed with a key of the site, or is older than the age of a cookie.
    pub fn verify_cookie(&self, cookie: &str) -> Result<DjangoSession, SessionError> {
        let session = self.open(cookie, COOKIE_SALT)?;
        match session.ends {
            Some(end) if end > SystemTime::now() => Ok(session),
            _ => Err(SessionError::Expired),
        }
    }

    /// Returns the session in the column `session_data` of the table `django_session`, or in a file of the backend `file`.
    ///
    /// The column `expire_date` holds the end of the session: query `session_key = $1 AND expire_date > now()`.
    ///
    /// # Errors
    /// If it is not signed with a key of the site.
    pub fn decode(&self, session_data: &str) -> Result<DjangoSession, SessionError> {
        let mut session = self.open(session_data, STORE_SALT)?;
        session.ends = None;
        Ok(session)
    }

    /// Returns whether the session belongs to this password: the value of the user's column `password`, `pbkdf2_sha256$..`. A new
    /// password ends all other sessions of the user; Django's own views check this with every request.
    ///
    /// The check needs the user's row, because the session holds only a hash of the password's hash.
    pub fn fits_password(&self, session: &DjangoSession, password: &str) -> bool {
        let Some(hash) = session.get::<String>("_auth_user_hash").as_deref().and_then(from_hex) else { return false };
        self.keys.iter().any(|key| salted_hmac(PASSWORD_SALT, key, password).verify_slice(&hash).is_ok())
    }

    /// Verifies and decodes a signed value, as Django's `signing.loads` does: `<base64 of JSON>:<time, in base 62>:<signature>`,
    /// with a leading dot if it is compressed.
    fn open(&self, signed: &str, salt: &str) -> Result<DjangoSession, SessionError> {
        let (stamped, signature) = signed.rsplit_once(':').ok_or(SessionError::Signature)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SessionError::Signature)?;
        let salt = format!("{salt}signer");
        let verifies = |key: &String| salted_hmac(&salt, key, stamped).verify_slice(&signature).is_ok();
        if !self.keys.iter().any(verifies) {
            return Err(SessionError::Signature);
        }
        // The signature matches, so the content is from Django and not from an attacker.
        let (body, at) = stamped.rsplit_once(':').ok_or(SessionError::Serializer)?;
        let at = base62(at).ok_or(SessionError::Serializer)?;
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)).ok_or(SessionError::Serializer)?;
        let data = unpack(body).ok_or(SessionError::Serializer)?;
        // Django decodes Latin-1. Its JSON is ASCII, so UTF-8 works as well.
        let data: Map<String, Value> = serde_json::from_slice(&data).map_err(|_| SessionError::Serializer)?;
        // `set_expiry(seconds)`. Without it, or with zero ("when the browser closes"), the age of a cookie applies. A date as
        // text applies only in the browser, as with Django.
        let own = data.get("_session_expiry").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
        let age = own.map_or(self.cookie_age, |seconds| Duration::from_secs(seconds).min(self.cookie_age));
        Ok(DjangoSession { data, ends: at.checked_add(age) })
    }
}

impl fmt::Debug for DjangoSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DjangoSessions({} keys)", self.keys.len())
    }
}

/// The content of a Django session.
#[derive(Clone)]
pub struct DjangoSession {
    data: Map<String, Value>,
    ends: Option<SystemTime>,
}

impl DjangoSession {
    /// Returns the primary key of the logged-in user, as text.
    pub fn user_id(&self) -> Option<&str> {
        self.data.get("_auth_user_id")?.as_str()
    }

    /// Returns a value of the session if it is present and a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        T::deserialize(self.data.get(key)?).ok()
    }

    /// Returns the end of a session from a cookie. The end of a session in a database is in its `expire_date`.
    pub fn ends(&self) -> Option<SystemTime> {
        self.ends
    }

    /// Returns a login of this user that ends with the session. Its [key](Login::key) is [`Self::user_id`].
    pub fn login<U>(&self, user: U) -> Login<U> {
        let login = Login::new(user).with_key(self.user_id().map(Into::into));
        match self.ends {
            Some(end) => login.until(end),
            None => login,
        }
    }
}

impl fmt::Debug for DjangoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSession").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// `django.utils.crypto.salted_hmac`, with SHA-256.
fn salted_hmac(salt: &str, secret: &str, value: &str) -> Hmac<Sha256> {
    let key = Sha256::new().chain_update(salt).chain_update(secret).finalize();
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key may have any length");
    mac.chain_update(value)
}

fn unpack(body: &str) -> Option<Vec<u8>> {
    match body.strip_prefix('.') {
        None => URL_SAFE_NO_PAD.decode(body).ok(),
        Some(packed) => {
            let packed = URL_SAFE_NO_PAD.decode(packed).ok()?;
            let mut data = Vec::new();
            ZlibDecoder::new(&*packed).take(MAX_SESSION + 1).read_to_end(&mut data).ok()?;
            (data.len() as u64 <= MAX_SESSION).then_some(data)
        }
    }
}

fn base62(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.bytes().try_fold(0_u64, |number, digit| {
        let digit = BASE62.iter().position(|known| *known == digit)?;
        number.checked_mul(62)?.checked_add(u64::try_from(digit).ok()?)
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a secret of the test";
    const OTHER: &str = "another secret of the test";

    // Signed by Django 5.2.8 with that key. `tests/django/sessions.rs` uses a real Django.
    const SMALL: &str =
        "eyJfYXV0aF91c2VyX2lkIjoiNyIsImNvbG91ciI6ImJsXHUwMGZjIn0:1r31eq:vqvvxQZTNmhOeh7x26g_SdiX7eT3UUsLIc_L-uZieJY";
    const PACKED: &str =
        ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JRKkmtKAEyK0YB0UCpFgB1tpag:1r31eq:pCB3ep7KCVpapowAyiBHP5vlZ2dp8n00ImDqbTDFUP4";
    const OLD: &str = "eyJfYXV0aF91c2VyX2lkIjoiNyJ9:1r31eq:yDjEneTwD6N2Y1enaCk4dI1RUv-HHevJrfxa2A8Fm-0";
    /// Signed in the year 2096, which Django accepts, too.
    const FAR: &str =
        ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JRKkmtKAEyK-kAlGoBCVE5RA:4Mhaj2:7bmpL4n3EBmPxolDSa5mZMmSEzodRYAKwugM7OHbY9E";
    const A_MINUTE: &str =
        "eyJfYXV0aF91c2VyX2lkIjoiNyIsIl9zZXNzaW9uX2V4cGlyeSI6NjB9:4Mhaj2:tyYBGZTi0r3aQCqUBWFeSJRx88aJUZr6UPDdYyTEcRo";
    const HASHED: &str = ".eJwNykESgCAIAMC_-AJDBe0zDiCM58xT099rz_uEzvuefS-7-uQ1wxmSglgbmhupZY1VtSK6k3mWYoWBMQoyDHD8E0jFg2sRpwyYKLwfuM0Z5Q:1r31eq:if6Keu3s7AApNRRL3E90dwVzKarmNz9e2axvtNR03SU";

    fn sessions() -> DjangoSessions {
        DjangoSessions::new(KEY).unwrap()
    }

    fn at(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn database_session_is_decoded() {
        let small = sessions().decode(SMALL).unwrap();
        assert_eq!((small.user_id(), small.get::<String>("colour").as_deref()), (Some("7"), Some("blü")));
        assert_eq!((small.ends(), small.get::<u32>("colour"), small.get::<u32>("size")), (None, None, None));
        let packed = sessions().decode(PACKED).unwrap();
        assert_eq!(packed.get::<String>("text").unwrap(), "x".repeat(300));
    }

    #[test]
    fn cookie_is_valid_until_its_end() {
        let far = sessions().verify_cookie(FAR).unwrap();
        assert_eq!((far.user_id(), far.ends()), (Some("7"), at(4_000_000_000 + 14 * 86_400)));
        let shorter = sessions().cookie_age(Duration::from_secs(3600)).verify_cookie(FAR).unwrap();
        assert_eq!(shorter.ends(), at(4_000_003_600));
        assert_eq!(sessions().verify_cookie(A_MINUTE).unwrap().ends(), at(4_000_000_060));
        assert_eq!(sessions().verify_cookie(OLD).unwrap_err(), SessionError::Expired);
        assert!(sessions().cookie_age(Duration::from_secs(1 << 33)).verify_cookie(OLD).is_ok());
    }

    #[test]
    fn changed_session_is_rejected() {
        for signed in [SMALL, PACKED, FAR, HASHED] {
            let wrong_salt = if signed == FAR { sessions().decode(signed) } else { sessions().verify_cookie(signed) };
            assert_eq!(wrong_salt.unwrap_err(), SessionError::Signature, "{signed}");
            for cut in 0..signed.len() {
                assert!(
                    sessions().decode(&signed[..cut]).is_err() && sessions().verify_cookie(&signed[..cut]).is_err()
                );
                let mut changed = signed.to_owned().into_bytes();
                changed[cut] = if changed[cut] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                // The last character of base64 has unused bits.
                assert!(cut + 1 == signed.len() || sessions().decode(&changed).is_err(), "{changed}");
            }
        }
        for nothing in ["", ":", "::", ":::", "a:b:c", "é:é:é"] {
            assert_eq!(sessions().decode(nothing).unwrap_err(), SessionError::Signature);
        }
        assert_eq!(DjangoSessions::new(OTHER).unwrap().decode(SMALL).unwrap_err(), SessionError::Signature);
        assert!(DjangoSessions::with_fallbacks(OTHER, [KEY]).unwrap().decode(SMALL).is_ok());
    }

    #[test]
    fn session_fits_only_its_password() {
        let session = sessions().decode(HASHED).unwrap();
        assert!(sessions().fits_password(&session, "pbkdf2_sha256$1$x$y"));
        assert!(!sessions().fits_password(&session, "pbkdf2_sha256$1$x$z"));
        assert!(!DjangoSessions::new(OTHER).unwrap().fits_password(&session, "pbkdf2_sha256$1$x$y"));
        assert!(!sessions().fits_password(&sessions().decode(SMALL).unwrap(), ""));
    }

    #[test]
    fn decompression_bomb_is_rejected() {
        let mut bomb = Vec::new();
        flate2::read::ZlibEncoder::new(std::io::repeat(b' ').take(1 << 26), flate2::Compression::best())
            .read_to_end(&mut bomb)
            .unwrap();
        assert_eq!(unpack(&format!(".{}", URL_SAFE_NO_PAD.encode(bomb))), None);
    }

    #[test]
    fn short_key_is_rejected() {
        for (key, fallbacks, expected) in [
            ("", &[][..], "`SECRET_KEY` is empty: is its environment variable set?"),
            ("hunter2", &[], "`SECRET_KEY` has 7 bytes, but it needs at least 16"),
            (KEY, &[OTHER, ""], "a key of `SECRET_KEY_FALLBACKS` is empty"),
        ] {
            let error = DjangoSessions::with_fallbacks(key, fallbacks.iter().copied()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let session = sessions().decode(HASHED).unwrap();
        let shown = format!("{:?} {session:?} {:?}", sessions(), session.login(KEY));
        assert!(!shown.contains(KEY) && !shown.contains("hash"), "{shown}");
    }
}
