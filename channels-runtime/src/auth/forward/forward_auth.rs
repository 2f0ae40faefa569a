//! Logins that a backend knows: a client's cookies and token are forwarded to a URL.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;

use crate::auth::forward::credentials::{Credentials, Unusable};
use crate::auth::forward::question::{Known, Questions, Settings, Unknown};
use crate::auth::forward::stats::{ForwardAuthCounters, ForwardAuthStats};
use crate::auth::identity::Login;
use crate::backend::{BackendUrl, UrlError};
use crate::error::Reject;
use crate::scope::Scope;
use crate::support::{LONGEST, random_below};
use crate::user::required_after;

/// Asks a backend who a client is: forwards the client's `Cookie` and `Authorization` to a URL, and takes the user from the JSON of
/// the response. The URL is a page of any framework, which knows its sessions and tokens:
///
/// ```python
/// def whoami(request):
///     user = request.user
///     return JsonResponse({"id": user.pk, "name": user.get_username()} if user.is_authenticated else None, safe=False)
/// ```
///
/// ```
/// use channels_runtime::auth::ForwardAuth;
/// use channels_runtime::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct User { id: u64, name: String }
///
/// let auth = ForwardAuth::<User>::new("http://127.0.0.1:8000/whoami/")?.cookies(["sessionid"]);
/// let channels = Channels::builder().forward_auth(auth).build()?;
/// # Ok::<(), Error>(())
/// ```
///
/// | response | the client |
/// | --- | --- |
/// | 200 with JSON | has this user, and the [key](Login::key) in the field `id` ([`Self::key_field`]), a text or a whole number |
/// | 200 with `null`, or 204 | is anonymous; `#[connect]` may reject it |
/// | 401, 403 | is rejected with 401 |
/// | anything else, or none within the [deadline](Self::deadline) | is rejected with 503 and `Retry-After` |
///
/// A redirect is not followed, and a proxy of the environment is not used. The response may have 64 KiB.
///
/// The backend gets a `GET` with the cookies, the first `Authorization` (or the [bearer token](Scope::bearer_token) of a
/// subprotocol), the client's address in `X-Forwarded-For`, and the headers of [`Self::header`].
///
/// # Cache
///
/// An answer is kept for its [time to live](Self::ttl), 10 s by default, and then asked for again. Its key is a hash of exactly the
/// forwarded headers, so two clients share an answer only if the backend cannot tell them apart. Clients with the same credentials
/// that come together share one request.
///
/// A logout is noticed by new connections after at most this time, or immediately if
/// [`ChannelLayer::user`](crate::ChannelLayer::user) closes the user's connections. Open connections are checked with
/// [`ChannelsBuilder::reauth`](crate::ChannelsBuilder::reauth).
///
/// # A backend that is down
///
/// No client is accepted without an answer. After five failures in a row (no connection, no response in time, or 502, 503, 504), no
/// request is sent for a second, and then one at a time; clients get 503 and `Retry-After`. Users in the cache still enter until
/// their time to live ends. Other statuses, such as a 500 or a 429, are about one client, so they do not lock out the others. If
/// the backend can be reached, the failures must come from at least two client addresses.
pub struct ForwardAuth<U> {
    settings: Arc<Settings>,
    questions: Arc<Questions<U>>,
}

impl<U: DeserializeOwned + Send + Sync + 'static> ForwardAuth<U> {
    /// Creates an authenticator that asks this URL.
    ///
    /// # Errors
    /// If it is not an `http://` URL. `https://` needs the feature `backend-tls`.
    pub fn new(url: impl AsRef<str>) -> Result<Self, UrlError> {
        let settings = Settings {
            url: BackendUrl::parse(url.as_ref())?,
            deadline: Duration::from_secs(3),
            ttl: Duration::from_secs(10),
            rejected_ttl: Duration::from_secs(2),
            capacity: 10_000,
            cookies: None,
            headers: HeaderMap::new(),
            key_field: "id".into(),
            asks_for_anonymous: false,
        };
        Ok(Self { settings: Arc::new(settings), questions: Arc::new(Questions::new(32)) })
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Forwards only the cookies with these names. Default: all.
    ///
    /// Name the cookies of the session: with all cookies, each change of another one, such as that of a statistics script, is
    /// another key of the cache.
    #[must_use]
    pub fn cookies<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.set(|settings| settings.cookies = Some(names.into_iter().map(Into::into).collect()))
    }

    /// Adds a header to each request, such as `X-Forwarded-Proto: https` for a Django with `SECURE_SSL_REDIRECT`, or `Host` for
    /// one that requires it. It replaces a forwarded one.
    #[must_use]
    pub fn header(self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.set(|settings| _ = settings.headers.insert(name, value))
    }

    /// Sets the time limit for an answer: waiting for a free request, the connection and the whole response. Default: 3 s.
    ///
    /// It should be shorter than [`connect_deadline`](crate::ChannelsBuilder::connect_deadline).
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|settings| settings.deadline = deadline.min(LONGEST))
    }

    /// Sets how long a user is kept. Default: 10 s. Zero turns the cache off; clients that come together still share a request.
    ///
    /// An anonymous client and a rejection are kept for a fifth of this time, at most 2 s, because the client may log in.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        let ttl = ttl.min(LONGEST);
        self.set(|settings| (settings.ttl, settings.rejected_ttl) = (ttl, (ttl / 5).min(Duration::from_secs(2))))
    }

    /// Sets how many users are kept, and how many anonymous clients and rejections apart from them. Default: 10,000 each. When one
    /// more comes, the oldest is asked for again at its next handshake.
    #[must_use]
    pub fn capacity(self, answers: usize) -> Self {
        self.set(|settings| settings.capacity = answers)
    }

    /// Sets how many requests may run together; further ones wait for up to half of the deadline. Default: 32. Minimum: 1.
    #[must_use]
    pub fn requests(mut self, requests: usize) -> Self {
        self.questions = Arc::new(Questions::new(requests.clamp(1, tokio::sync::Semaphore::MAX_PERMITS)));
        self
    }

    /// Sets the field of the JSON with the [key](Login::key) of the user: a text or a number. Default: `id`. A user without this
    /// field has no key.
    #[must_use]
    pub fn key_field(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.key_field = name.into())
    }

    /// Asks the backend about clients without cookies and without a token, too. Default: they are anonymous.
    #[must_use]
    pub fn ask_for_anonymous(self) -> Self {
        self.set(|settings| settings.asks_for_anonymous = true)
    }

    /// Returns the counters.
    pub fn stats(&self) -> ForwardAuthStats {
        self.questions.counters.snapshot()
    }

    pub(crate) fn counters(&self) -> &Arc<ForwardAuthCounters> {
        &self.questions.counters
    }

    /// Returns the login of a client, for an [authenticator](crate::ChannelsBuilder::authenticator) of your own that has other
    /// logins, too. [`ChannelsBuilder::forward_auth`](crate::ChannelsBuilder::forward_auth) needs no authenticator.
    ///
    /// # Errors
    /// The rejections in the table above.
    ///
    /// # Cancel safety
    /// If the future is dropped, other clients that wait for the same answer get it.
    pub async fn login(&self, scope: &Scope) -> Result<Login<U>, Reject> {
        let credentials = match Credentials::of(scope, self.settings.cookies.as_deref()) {
            Ok(credentials) => credentials,
            Err(Unusable::TooLarge) => {
                return Err(Reject::new(431).reason("the cookies and the token are larger than 16 KiB"));
            }
            Err(Unusable::Malformed) => return Err(Reject::new(400).reason("the token is not a legal header")),
        };
        if credentials.is_empty() && !self.settings.asks_for_anonymous {
            return Ok(Login::anonymous());
        }
        match self.questions.ask(&self.settings, credentials, required_after(scope.marker())).await {
            Ok(Known::User { user, key, answered }) => Ok(Login::shared(user).with_key(key).answered(answered)),
            Ok(Known::Anonymous { answered }) => Ok(Login::anonymous().answered(answered)),
            Ok(Known::Rejected { .. }) => Err(Reject::unauthorized().reason("this login is not valid; log in again")),
            Err(unknown) => Err(unavailable(unknown)),
        }
    }
}

/// Returns the rejection of a client about which there is no answer. The delay is random, so that the clients of a backend that
/// was down do not all come back together.
fn unavailable(unknown: Unknown) -> Reject {
    let (reason, delay) = match unknown {
        Unknown::Failed => ("the login could not be checked; try again later", Duration::ZERO),
        Unknown::HeldOff(left) => ("logins cannot be checked now; try again later", left),
        Unknown::CrowdedOut => ("too many logins are being checked; try again later", Duration::ZERO),
    };
    Reject::new(503).reason(reason).retry_after(delay + Duration::from_secs(1 + random_below(5)))
}

impl<U> Clone for ForwardAuth<U> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings), questions: Arc::clone(&self.questions) }
    }
}

impl<U> fmt::Debug for ForwardAuth<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ForwardAuth");
        debug.field("url", &self.settings.url).field("user", &type_name::<U>()).finish_non_exhaustive()
    }
}
