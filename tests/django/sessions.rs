//! Sessions that a real Django has signed.

use std::time::{Duration, SystemTime};

use channels_runtime::auth::{DjangoSessions, SessionError};
use serde_json::{Value, json};

use crate::peer::Peer;

const KEY: &str = "django-insecure-%k3y&of=the*test";
const STORES: [&str; 3] = ["db", "cached_db", "file"];

async fn made(django: &Peer, backend: &str, more: &Value) -> String {
    let mut call = json!({"backend": backend, "key": KEY, "fallbacks": [], "data": {}});
    for (name, value) in more.as_object().unwrap() {
        call[name] = value.clone();
    }
    django.call("session", &call).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn django_session_of_every_backend_is_decoded() {
    let django = Peer::start();
    let sessions = DjangoSessions::new(KEY).unwrap();
    for data in [
        json!({}),
        json!({"colour": "blü", "snowman": "\u{2603}\u{1f600}", "number": 7, "list": [1, 2.5, null, true], "deep": {"a": {}}}),
        // Compressed, and larger than a cookie can be.
        json!({"text": "x".repeat(5000)}),
        json!({"noise": (0..2000).map(|n| (n * 7919 % 1009).to_string()).collect::<Vec<_>>()}),
    ] {
        for backend in STORES {
            let session = sessions.decode(&made(&django, backend, &json!({"data": data})).await).unwrap();
            for (key, value) in data.as_object().unwrap() {
                assert_eq!(session.get::<Value>(key).as_ref(), Some(value), "{backend} {key}");
            }
        }
        let cookie = made(&django, "signed_cookies", &json!({"data": data})).await;
        let session = sessions.verify_cookie(&cookie).unwrap();
        for (key, value) in data.as_object().unwrap() {
            assert_eq!(session.get::<Value>(key).as_ref(), Some(value), "{key}");
        }
        assert_eq!(sessions.decode(&cookie).unwrap_err(), SessionError::Signature, "each backend has its own salt");
    }
}

#[tokio::test]
async fn django_session_cookie_expires_after_two_weeks_or_session_expiry() {
    let django = Peer::start();
    let sessions = DjangoSessions::new(KEY).unwrap();
    const TWO_WEEKS: u64 = 14 * 86_400;
    assert_eq!(django.call("cookie_age", &json!({})).await, TWO_WEEKS, "the default is that of Django");
    for (data, age, left) in [
        (json!({}), 0, Some(TWO_WEEKS)),
        (json!({}), TWO_WEEKS - 3600, Some(3600)),
        (json!({}), TWO_WEEKS + 60, None),
        (json!({"_session_expiry": 7200}), 0, Some(7200)),
        (json!({"_session_expiry": 7200}), 7260, None),
        (json!({"_session_expiry": 0}), 0, Some(TWO_WEEKS)),
    ] {
        let cookie = made(&django, "signed_cookies", &json!({"data": data, "age": age})).await;
        let session = sessions.verify_cookie(&cookie);
        match left {
            None => assert_eq!(session.unwrap_err(), SessionError::Expired, "{data} {age}"),
            Some(left) => {
                let ends = session.unwrap().ends().unwrap().duration_since(SystemTime::now()).unwrap();
                // Python truncates to whole seconds, and the machine may be busy.
                let wanted = Duration::from_secs(left - 60)..=Duration::from_secs(left);
                assert!(wanted.contains(&ends), "{data} {age}: {ends:?}");
            }
        }
    }
}

#[tokio::test]
async fn django_session_survives_key_rotation_and_detects_new_password() {
    let django = Peer::start();
    let password = "pbkdf2_sha256$1000000$salt$hash";
    let row = made(&django, "db", &json!({"password": password})).await;
    let new = DjangoSessions::new("the new key of the site").unwrap();
    assert_eq!(new.decode(&row).unwrap_err(), SessionError::Signature);
    for sessions in [
        DjangoSessions::new(KEY).unwrap(),
        DjangoSessions::with_fallbacks("the new key of the site", ["another key of the site", KEY]).unwrap(),
    ] {
        let session = sessions.decode(&row).unwrap();
        assert_eq!(session.user_id(), Some("7"));
        assert!(sessions.fits_password(&session, password));
        assert!(!sessions.fits_password(&session, "pbkdf2_sha256$1000000$salt$changed"));
    }
}
