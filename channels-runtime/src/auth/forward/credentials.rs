//! The headers of a client that are forwarded to the backend.

use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::forward::answer_cache::Key;
use crate::scope::Scope;

/// The largest credentials, in bytes.
const MAX_SIZE: usize = 16 * 1024;

/// The address of the client, for the backend's log and limits.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The forwarded headers. Nothing else of the client reaches the backend, so clients with equal headers have the same user.
#[derive(Clone)]
pub(super) struct Credentials {
    cookie: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    client: Option<HeaderValue>,
}

/// The reason why headers are not forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    TooLarge,
    Malformed,
}

impl Credentials {
    /// Takes the credentials of a client. Of its cookies, takes those of these names; `None` stands for all.
    pub(super) fn of(scope: &Scope, names: Option<&[String]>) -> Result<Self, Unusable> {
        let cookies: Vec<&[u8]> = scope.cookies().filter(|cookie| is_named(cookie, names)).collect();
        let authorization = scope.header_bytes("authorization").filter(|value| !value.is_empty());
        let cookie = (!cookies.is_empty()).then(|| cookies.join(&b"; "[..]));
        if cookie.as_ref().map_or(0, Vec::len) + authorization.map_or(0, <[u8]>::len) > MAX_SIZE {
            return Err(Unusable::TooLarge);
        }
        let sensitive = |bytes: &[u8]| {
            let mut value = HeaderValue::from_bytes(bytes).map_err(|_| Unusable::Malformed)?;
            value.set_sensitive(true);
            Ok(value)
        };
        let client = scope.client().map(|client| client.ip().to_string());
        Ok(Self {
            cookie: cookie.as_deref().map(sensitive).transpose()?,
            authorization: authorization.map(sensitive).transpose()?,
            client: client.map(|client| HeaderValue::try_from(client).expect("an address is a legal header")),
        })
    }

    /// Returns whether the client has sent neither a cookie nor a token.
    pub(super) fn is_empty(&self) -> bool {
        self.cookie.is_none() && self.authorization.is_none()
    }

    /// Returns the address of the client.
    pub(super) fn client(&self) -> Option<HeaderValue> {
        self.client.clone()
    }

    fn headers(&self) -> [(HeaderName, Option<&HeaderValue>); 3] {
        [
            (COOKIE, self.cookie.as_ref()),
            (AUTHORIZATION, self.authorization.as_ref()),
            (X_FORWARDED_FOR, self.client.as_ref()),
        ]
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in self.headers() {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }
}

fn is_named(cookie: &[u8], names: Option<&[String]>) -> bool {
    let Some(names) = names else { return true };
    let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    names.iter().any(|known| known.as_bytes() == name)
}

/// Makes the keys of the cache. A key is a hash with a secret of this process, so memory that leaks reveals no credential, and
/// nobody can compute which credentials have the same place in the table.
pub(super) struct KeyMaker([u8; 32]);

impl KeyMaker {
    pub(super) fn random() -> Self {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        secret[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self(secret)
    }

    /// Returns the key of these credentials. Different credentials have different keys: each header is hashed with its length.
    pub(super) fn key(&self, credentials: &Credentials) -> Key {
        let mut hash = Sha256::new_with_prefix(self.0);
        for (_, value) in credentials.headers() {
            let length = value.map_or(u64::MAX, |value| value.len() as u64);
            hash.update(length.to_le_bytes());
            hash.update(value.map_or(&b""[..], HeaderValue::as_bytes));
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn of(lines: &[(&str, &[u8])], names: Option<&[String]>) -> Result<Credentials, Unusable> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        Credentials::of(&Scope::new(&Uri::from_static("/ws"), &headers, None, Some("token")), names)
    }

    #[test]
    fn only_credentials_are_forwarded() {
        let lines = [
            ("cookie", &b"a=1; sessionid=x; sessionid=y"[..]),
            ("cookie", b"b=\xff"),
            ("authorization", b"Token abc"),
            ("authorization", b"Token other"),
            ("x-forwarded-for", b"10.0.0.1"),
            ("host", b"evil.example"),
            ("connection", b"close"),
        ];
        let mut sent = HeaderMap::new();
        of(&lines, None).unwrap().write(&mut sent);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[COOKIE].as_bytes(), b"a=1; sessionid=x; sessionid=y; b=\xff");
        assert_eq!(sent[AUTHORIZATION], "Token abc");
        assert!(sent[COOKIE].is_sensitive() && sent[AUTHORIZATION].is_sensitive());
        // Both cookies of one name, in their order: the backend selects one as for any other request.
        let names = ["sessionid".to_owned()];
        let mut sent = HeaderMap::new();
        of(&lines, Some(&names)).unwrap().write(&mut sent);
        assert_eq!(sent[COOKIE], "sessionid=x; sessionid=y");
        assert!(of(&[("cookie", b"a=1; sessionids=x")], Some(&names)).unwrap().is_empty());
    }

    #[test]
    fn different_credentials_have_different_keys() {
        let keys = KeyMaker::random();
        let all = [
            of(&[], None),
            of(&[("cookie", b"sessionid=a")], None),
            of(&[("cookie", b"sessionid=b")], None),
            of(&[("cookie", b"sessionid=a; sessionid=b")], None),
            of(&[("cookie", b"sessionid=b; sessionid=a")], None),
            of(&[("authorization", b"sessionid=a")], None),
            of(&[("cookie", b"sessionid=a"), ("authorization", b"Token a")], None),
            of(&[("cookie", b"sessionid=aToken a")], None),
        ]
        .map(|credentials| keys.key(&credentials.unwrap()));
        for (index, key) in all.iter().enumerate() {
            assert!(!all[..index].contains(key), "{index}");
        }
        let again = of(&[("cookie", b"sessionid=a"), ("user-agent", b"x")], None).unwrap();
        assert_eq!(keys.key(&again), all[1]);
        assert_ne!(KeyMaker::random().key(&again), all[1]);
    }

    #[test]
    fn large_or_malformed_credentials_are_refused() {
        let large = format!("a={}", "x".repeat(MAX_SIZE));
        assert_eq!(of(&[("cookie", large.as_bytes())], None).err(), Some(Unusable::TooLarge));
        // A token from the query may hold any character but a line feed.
        let smuggled = Uri::from_static("/ws?token=a%0dHost:%20x");
        let scope = Scope::new(&smuggled, &HeaderMap::new(), None, Some("token"));
        assert_eq!(Credentials::of(&scope, None).err(), Some(Unusable::Malformed));
    }
}
