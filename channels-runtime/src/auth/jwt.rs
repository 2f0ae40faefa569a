//! JSON Web Tokens (RFC 7519) as logins.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{Ready, ready};
use jsonwebtoken::crypto::{CryptoProvider, rust_crypto};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::auth::identity::Login;
use crate::auth::key_error::KeyError;
use crate::error::Reject;
use crate::scope::Scope;

/// The highest accepted difference between the clocks of the issuer and of this server.
const LEEWAY: Duration = Duration::from_secs(60);

/// The reason why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a JSON Web Token.
    #[error("not a JSON Web Token")]
    Malformed,
    /// It was signed with another key or another algorithm, or was changed.
    #[error("the token's signature does not match")]
    Signature,
    /// Its `exp` has passed, or the token has no `exp`.
    #[error("the token has expired, or has no `exp`")]
    Expired,
    /// Its `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its `aud` or `iss` names another service.
    #[error("the token is not meant for this service")]
    Audience,
    /// Its header demands an extension (`crit`, `b64`), and this crate has none.
    #[error("the token demands an extension of JSON Web Signature")]
    Extension,
    /// It is valid, but its claims do not fit the user's type.
    #[error("the token's claims do not fit")]
    Claims,
}

/// The shortest secret for HS256, in bytes (RFC 7518, 3.2): a shorter one can be guessed from a token.
const MIN_SECRET: usize = 32;

fn not_a_key(kind: &str) -> KeyError {
    KeyError::new(format!("not {kind} public key in PEM"))
}

/// Verifies JSON Web Tokens, with one key and one algorithm.
///
/// A token needs an end (`exp`); a minute is added for clock differences. `nbf` is checked if present. A token with an audience
/// (`aud`) is rejected unless [`Self::audience`] names it, too.
///
/// ```
/// use channels_runtime::prelude::*;
/// use channels_runtime::auth::Jwt;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct User { sub: String }
///
/// # let secret = "a secret of at least thirty-two bytes";
/// let jwt = Jwt::hs256(secret)?.issuer("https://login.example.org");
/// let channels = Channels::builder().authenticator(jwt.authenticator::<User>()).build()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Jwt {
    key: Arc<DecodingKey>,
    validation: Validation,
}

impl Jwt {
    /// Verifies tokens that are signed with this shared secret (HS256): at least 32 bytes, such as those of `openssl rand -base64
    /// 32`.
    ///
    /// # Errors
    /// If the secret is shorter (RFC 7518, 3.2).
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::hs256_named("the secret of HS256", secret.as_ref())
    }

    /// Verifies tokens with a secret that an error gives this name.
    pub(super) fn hs256_named(name: &str, secret: &[u8]) -> Result<Self, KeyError> {
        KeyError::check_length(name, secret, MIN_SECRET)?;
        Ok(Self::new(Algorithm::HS256, DecodingKey::from_secret(secret)))
    }

    /// Verifies tokens that are signed with RSA (RS256). `public_key` is the issuer's, in PEM.
    ///
    /// # Errors
    /// If it is not such a key.
    pub fn rs256(public_key: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = DecodingKey::from_rsa_pem(public_key.as_ref()).map_err(|_| not_a_key("an RSA"))?;
        Ok(Self::new(Algorithm::RS256, key))
    }

    /// Verifies tokens that are signed with ECDSA on P-256 (ES256). `public_key` is the issuer's, in PEM.
    ///
    /// # Errors
    /// If it is not such a key.
    pub fn es256(public_key: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = DecodingKey::from_ec_pem(public_key.as_ref()).map_err(|_| not_a_key("a P-256"))?;
        Ok(Self::new(Algorithm::ES256, key))
    }

    /// Verifies tokens that are signed with Ed25519 (EdDSA). `public_key` is the issuer's, in PEM.
    ///
    /// # Errors
    /// If it is not such a key.
    pub fn eddsa(public_key: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = DecodingKey::from_ed_pem(public_key.as_ref()).map_err(|_| not_a_key("an Ed25519"))?;
        Ok(Self::new(Algorithm::EdDSA, key))
    }

    fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        // The library requires a choice if a program contains two providers. A provider that is already installed works as well.
        _ = CryptoProvider::install_default(&rust_crypto::DEFAULT_PROVIDER);
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        Self { key: Arc::new(key), validation }
    }

    /// Accepts only tokens for this audience (`aud`). Several calls accept any of their audiences.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.validation.required_spec_claims.insert("aud".into());
        self.validation.aud.get_or_insert_with(HashSet::new).insert(audience.into());
        self
    }

    /// Accepts only tokens of this issuer (`iss`). Several calls accept any of their issuers.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.validation.required_spec_claims.insert("iss".into());
        self.validation.iss.get_or_insert_with(HashSet::new).insert(issuer.into());
        self
    }

    /// Verifies a token. Returns its claims as a login that ends with the token. Its [key](Login::key) is the subject (`sub`): a text, or a
    /// whole number.
    ///
    /// # Errors
    /// If the token is not valid, or its claims do not fit `C`.
    pub fn verify<C: DeserializeOwned>(&self, token: &str) -> Result<Login<C>, TokenError> {
        let (claims, end, key) = self.claims(token)?;
        Ok(Login::new(claims).until(end).with_key(key))
    }

    /// Verifies a token. Returns its claims, its end and its `sub`.
    pub(super) fn claims<C: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<(C, SystemTime, Option<Arc<str>>), TokenError> {
        check_extensions(token)?;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation);
        let claims = claims.map_err(|error| reason(error.kind()))?.claims;
        // The library accepts fractions of seconds, too.
        let end = claims.get("exp").and_then(Value::as_f64).filter(|end| *end > 0.0).ok_or(TokenError::Expired)?;
        let end = Duration::try_from_secs_f64(end).ok().and_then(|end| end.checked_add(LEEWAY));
        let end = end.and_then(|end| SystemTime::UNIX_EPOCH.checked_add(end)).ok_or(TokenError::Expired)?;
        let key = match claims.get("sub") {
            Some(Value::String(key)) => Some(key.as_str().into()),
            // Not legal (RFC 7519, 4.1.2), but some issuers send the primary key as it is. Without a key, nobody could close its
            // connections.
            Some(Value::Number(key)) if !key.is_f64() => Some(key.to_string().into()),
            _ => None,
        };
        let claims = C::deserialize(Value::Object(claims)).map_err(|_| TokenError::Claims)?;
        Ok((claims, end, key))
    }

    /// Returns an authenticator for [`ChannelsBuilder::authenticator`](crate::ChannelsBuilder::authenticator): the claims of the
    /// client's [bearer token](Scope::bearer_token) are the [user](crate::Context::user), and the connection ends with the token.
    /// A client without a token is accepted as anonymous, and `#[connect]` may reject it. A client with an invalid token gets
    /// 401.
    pub fn authenticator<C>(self) -> impl Fn(Scope) -> Ready<Result<Login<C>, Reject>> + Send + Sync + 'static
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        move |scope| {
            ready(match scope.bearer_token() {
                None => Ok(Login::anonymous()),
                Some(token) => self.verify(token).map_err(|error| {
                    Reject::unauthorized().reason(format!("{error}; log in again to get another token"))
                }),
            })
        }
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("algorithms", &self.validation.algorithms).finish_non_exhaustive()
    }
}

/// Checks that the header of a token demands no extension. The library ignores `crit` and `b64`, but a receiver must reject what it
/// does not know (RFC 7515, 4.1.11), and `b64: false` (RFC 7797) means another payload.
fn check_extensions(token: &str) -> Result<(), TokenError> {
    #[derive(Deserialize)]
    struct Extensions {
        crit: Option<Value>,
        b64: Option<Value>,
    }
    let (head, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
    let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| TokenError::Malformed)?;
    let Extensions { crit, b64 } = serde_json::from_slice(&head).map_err(|_| TokenError::Malformed)?;
    if crit.is_some() || b64.is_some_and(|b64| b64 != true) { Err(TokenError::Extension) } else { Ok(()) }
}

fn reason(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::MissingRequiredClaim(claim) if claim == "exp" => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(_) => TokenError::Audience,
        ErrorKind::InvalidClaimFormat(_) => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    const SECRET: &str = "a secret of the test with 35 bytes.";

    /// Signed by another program, valid until 2100.
    const ANN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.58Ro0zsimMdzAAU-DvJdOLoJLdWWkru81DBXAAyXxko";
    const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjEwMDAwMDAwMDB9.7HRjhocHSMlijoV61Lex3p8sLld3pYcIwOhePZBtgWg";

    /// A key pair for this test.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIHHeD6wbQxRNmGGjKy7JWvJaIYT9RUJAYXThAwFrP5ZH
-----END PRIVATE KEY-----";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAndU4kAELnMTdacfZtmGsEDxInJLtswVS2YF4B/KPZR0=
-----END PUBLIC KEY-----";

    /// Public keys for this test, and tokens that openssl has signed with their private keys, valid until 2100.
    const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAveFByNHckqrYOkYx7KZl
MS3G3srfp3EwEvUOTDkkFinb9I+9uSYxmix5U9MmmrN4EVoxN00ehoTzRVjye8p1
4LOCpju06UMKgSY4HYyK/yRauotBbwxC2+vkNCbHuBOZWBZs0SmCjJ5+OgUlrFtE
FMTQ8MOe3m1eEm1MWtft3MWCcbIpA8KzRMITyI0vNsyO05HbraQch6hsY/h0kBq2
J0OcIb8luPu6cVrZlGsMcSBp6vdFnJG5YKkvvKMYboJlq0nsbUAkDhVn91sfSnTv
qFntpfO7iqm+GTLT/r5BO8LrZ+f5no2Qil11pSj7A76v8C1iDRnOTbV+lcY8wHI7
3QIDAQAB
-----END PUBLIC KEY-----";
    const SIGNED_WITH_RSA: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.X3cVWaYHcxLpTph1NuHn-kuSSPzp4H618XFdHfepf--rsZ0Piar_3ujAhF2FAt64qJllvpu1s3EElsbnHwrKYLDqRRT4La9YQ0Y7hE48YmF-4ix888E-etoyQRy-R-GxHUF-2uOGR3PV2rLliEhAL6SWWkBK2fZbM-3dbkIeVp2FUzZ8qwimwuzt6GqxvxbtzKk8woZprlrKkX4xXDkjmvvIuREn-9ZYhKseha80QT8ax83RPbUIWHGUJX8wSdJulQ5-wdGmnm8rCoJOwZmx08OMLDvmwzWFj_JsZO0V9ygPISpJ89u7gCJvwm-ogsElzdn_sLDOeGD5IDLDVz79mw";
    const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXsbfYYFbbjgcYhXub92wysXM0xaL
lOyjW2nCqiNZ7l+lwlm8tR43I2ZcdrNo8HrGkX4xYQonefJzNV2stcI5ug==
-----END PUBLIC KEY-----";
    const SIGNED_WITH_P256: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.VhZWWfAFot31-tilFXy2pEN8Ek9au3lj7NfbtJkgVHjEjai7H6UrnjNsZHwXQ2eV6rKZklpyRzm2WtfCHIN5ZA";

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct User {
        sub: String,
    }

    fn signed(claims: &Value) -> String {
        _ = CryptoProvider::install_default(&rust_crypto::DEFAULT_PROVIDER);
        jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    fn hs256() -> Jwt {
        Jwt::hs256(SECRET).unwrap()
    }

    fn verify(jwt: &Jwt, token: &str) -> Result<(), TokenError> {
        jwt.verify::<User>(token).map(drop)
    }

    #[test]
    fn subject_that_is_a_number_is_key() {
        let key =
            |sub: Value| hs256().claims::<Value>(&signed(&json!({"sub": sub, "exp": 4_102_444_800_u64}))).unwrap().2;
        assert_eq!(key(json!(42)).as_deref(), Some("42"));
        assert_eq!(key(json!("42")).as_deref(), Some("42"));
        // As floats, different numbers may be equal.
        assert_eq!(key(json!(1.5)), None);
    }

    #[test]
    fn token_is_login_until_it_expires() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800) + LEEWAY;
        let wanted = Login::new(User { sub: "ann".into() }).until(end).key("ann");
        assert_eq!(hs256().verify::<User>(ANN).unwrap(), wanted);
    }

    #[test]
    fn invalid_token_is_rejected() {
        let jwt = hs256();
        let (past, future) = (1_000_000_000, 4_102_444_800_u64);
        assert_eq!(verify(&jwt, EXPIRED), Err(TokenError::Expired));
        assert_eq!(
            verify(&Jwt::hs256("another secret of the test with many bytes").unwrap(), ANN),
            Err(TokenError::Signature)
        );
        assert_eq!(verify(&jwt, "nothing"), Err(TokenError::Malformed));
        assert_eq!(verify(&jwt, ""), Err(TokenError::Malformed));
        for (claims, wanted) in [
            (json!({"sub": "ann"}), TokenError::Expired),
            (json!({"sub": "ann", "exp": future, "nbf": future}), TokenError::NotYet),
            (json!({"sub": "ann", "exp": future, "aud": "others"}), TokenError::Audience),
            (json!({"sub": 7, "exp": future}), TokenError::Claims),
            (json!({"sub": "ann", "exp": past}), TokenError::Expired),
        ] {
            assert_eq!(verify(&jwt, &signed(&claims)), Err(wanted), "{claims}");
        }
        // A claim of a wrong type does not count as a missing one.
        for claims in [
            json!({"sub": "ann", "exp": future.to_string()}),
            json!({"sub": "ann", "exp": future, "nbf": future.to_string()}),
        ] {
            assert!(verify(&jwt, &signed(&claims)).is_err(), "{claims}");
        }
    }

    #[test]
    fn required_audience_and_issuer_must_be_present() {
        let jwt = hs256().audience("ours").audience("mine").issuer("us");
        let token =
            |aud: &Value, iss: &Value| signed(&json!({"sub": "ann", "exp": 4_102_444_800_u64, "aud": aud, "iss": iss}));
        assert_eq!(verify(&jwt, &token(&json!("ours"), &json!("us"))), Ok(()));
        assert_eq!(verify(&jwt, &token(&json!(["others", "mine"]), &json!("us"))), Ok(()));
        assert_eq!(verify(&jwt, &token(&json!("others"), &json!("us"))), Err(TokenError::Audience));
        assert_eq!(verify(&jwt, &token(&json!("ours"), &json!("them"))), Err(TokenError::Audience));
        assert_eq!(verify(&jwt, ANN), Err(TokenError::Audience));
    }

    #[test]
    fn public_key_is_not_a_shared_secret() {
        let jwt = Jwt::eddsa(PUBLIC).unwrap();
        let claims = json!({"sub": "ann", "exp": 4_102_444_800_u64});
        let key = EncodingKey::from_ed_pem(PRIVATE.as_bytes()).unwrap();
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap();
        assert_eq!(verify(&jwt, &token), Ok(()));
        // The sender chooses `alg`, so it is not trusted.
        assert_eq!(verify(&hs256(), &token), Err(TokenError::Signature));
        let key = EncodingKey::from_secret(PUBLIC.as_bytes());
        let forged = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        assert_eq!(verify(&jwt, &forged), Err(TokenError::Signature));
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.";
        assert!(verify(&jwt, unsigned).is_err() && verify(&hs256(), unsigned).is_err());
        for wrong in [Jwt::rs256("x").err(), Jwt::es256(SECRET).err(), Jwt::eddsa("").err()] {
            let error = wrong.expect("not a key").to_string();
            assert!(error.contains("public key in PEM") && !error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn openssl_token_is_verified_only_with_its_key() {
        let algorithms = [
            (Jwt::rs256(RSA).unwrap(), SIGNED_WITH_RSA),
            (Jwt::es256(P256).unwrap(), SIGNED_WITH_P256),
            (hs256(), ANN),
        ];
        for (verifier, (jwt, _)) in algorithms.iter().enumerate() {
            for (signer, (_, token)) in algorithms.iter().enumerate() {
                let wanted = if verifier == signer { Ok(()) } else { Err(TokenError::Signature) };
                assert_eq!(verify(jwt, token), wanted, "{jwt:?} and {token}");
                // The claims of another token do not fit the signature.
                let (_, payload) = EXPIRED.rsplit_once('.').and_then(|(rest, _)| rest.split_once('.')).unwrap();
                let (head, signature) = (token.split('.').next().unwrap(), token.rsplit('.').next().unwrap());
                let changed = format!("{head}.{payload}.{signature}");
                assert_eq!(verify(jwt, &changed), Err(TokenError::Signature), "{changed}");
            }
        }
        // A key of another kind is rejected.
        assert!(Jwt::rs256(P256).is_err() && Jwt::es256(RSA).is_err());
    }

    #[test]
    fn short_secret_is_rejected() {
        for (secret, expected) in [("", "is empty: is its environment variable set?"), ("hunter2", "has 7 bytes")] {
            let error = Jwt::hs256(secret).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("at least 32") && !error.contains("hunter2"), "{error}");
        }
        assert!(Jwt::hs256("x".repeat(31)).is_err() && Jwt::hs256("x".repeat(32)).is_ok());
    }

    #[test]
    fn token_that_demands_extension_is_rejected() {
        let claims = json!({"sub": "ann", "exp": 4_102_444_800_u64});
        for (more, wanted) in [
            (json!({}), Ok(())),
            (json!({"kid": "7", "unknown": true, "b64": true}), Ok(())),
            (json!({"crit": ["exp"], "exp": 1}), Err(TokenError::Extension)),
            (json!({"crit": ["b64"], "b64": false}), Err(TokenError::Extension)),
            (json!({"b64": false}), Err(TokenError::Extension)),
            (json!({"b64": "no"}), Err(TokenError::Extension)),
            (json!({"crit": []}), Err(TokenError::Extension)),
        ] {
            let mut head = json!({"alg": "HS256", "typ": "JWT"});
            head.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(&head), part(&claims));
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
            assert_eq!(verify(&hs256(), &format!("{signed}.{signature}")), wanted, "{head}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", hs256()).contains(SECRET));
    }
}
