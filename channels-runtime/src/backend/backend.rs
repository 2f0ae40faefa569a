//! Calls to a backend: signed requests, with a time limit, a bounded queue and repeated attempts.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::backend::client::{HttpClient, NoAnswer};
use crate::backend::error::{BackendError, ServerError};
use crate::backend::signature::{Signer, add_headers};
use crate::backend::stats::{BackendCounters, BackendStats};
use crate::backend::url::{BackendUrl, UrlError};
use crate::error::field_path;
use crate::support::{LONGEST, count, jittered};

/// The shortest secret, in bytes. With an empty one, anyone could sign.
const MIN_SECRET: usize = 32;

/// The first pause between two attempts. It doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A backend that speaks HTTP, to which consumers send commands.
///
/// ```
/// use channels_runtime::backend::Backend;
/// use channels_runtime::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Line { text: String }
///
/// #[derive(Deserialize)]
/// struct Saved { id: u64 }
///
/// #[derive(Default)]
/// struct ChatConsumer;
///
/// #[consumer]
/// impl ChatConsumer {
///     #[receive("line")]
///     async fn line(&mut self, cx: &mut Context<Self>, line: Line) -> Result<()> {
///         let saved: Saved = cx.backend()?.post("/chat/save", &line).await?.json()?;
///         cx.send_json(&saved.id).await
///     }
/// }
///
/// # let secret = "a-secret-of-at-least-thirty-two-bytes";
/// let backend = Backend::new("http://127.0.0.1:8000")?.secret(secret);
/// let channels = Channels::builder().backend(backend).build()?;
/// # Ok::<(), Error>(())
/// ```
///
/// The body is JSON. An attempt that fails, or that the backend answers with 408, 429 or a status from 500, is repeated with the same
/// `Idempotency-Key`, so the backend can recognise a call that it has executed already. A redirect is not followed.
///
/// With a [secret](Self::secret), each attempt has a `Channels-Timestamp` and a `Channels-Signature`: `v1=` and the hexadecimal
/// HMAC-SHA256 of the lines `channels-backend-v1`, timestamp, `Idempotency-Key`, path with query, and the body.
#[derive(Clone)]
pub struct Backend {
    settings: Settings,
    state: Arc<State>,
}

#[derive(Clone)]
struct Settings {
    url: BackendUrl,
    signer: Option<Signer>,
    /// The length of the secret, in bytes.
    secret: Option<usize>,
    deadline: Duration,
    attempts: u32,
    queue: usize,
    webhooks: Option<String>,
}

struct State {
    client: HttpClient,
    permits: Semaphore,
    waiting: AtomicUsize,
    counters: BackendCounters,
}

/// The response of a backend to a call: its status is 200 to 299.
#[derive(Clone)]
pub struct BackendResponse {
    status: u16,
    body: Bytes,
}

impl Backend {
    /// Creates a backend with this URL. The paths of calls are added to it.
    ///
    /// # Errors
    /// If it is not an `http://` URL. `https://` needs the feature `backend-tls`.
    pub fn new(url: impl AsRef<str>) -> Result<Self, UrlError> {
        let settings = Settings {
            url: BackendUrl::parse(url.as_ref())?,
            signer: None,
            secret: None,
            deadline: Duration::from_secs(3),
            attempts: 3,
            queue: 1000,
            webhooks: None,
        };
        Ok(Self { settings, state: Arc::new(State::new(16)) })
    }

    /// Signs all requests with this secret: at least 32 bytes, such as those of `openssl rand -base64 32`. A shorter one is an error of
    /// [`ChannelsBuilder::build`](crate::ChannelsBuilder::build). Default: no signature.
    #[must_use]
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.settings.signer = Some(Signer::new(secret.as_ref()));
        self.settings.secret = Some(secret.as_ref().len());
        self
    }

    /// Sets the time limit for one attempt: the connection and the whole response. Default: 3 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline.min(LONGEST);
        self
    }

    /// Sets the maximum number of attempts of a call, with growing pauses from 0.1 s. Default: 3. Minimum: 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// Sets how many calls run together. Default: 16. Minimum: 1. A call that is repeated keeps its place.
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.state = Arc::new(State::new(calls.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Sets how many calls wait for a place. Default: 1,000. A further call is an error.
    #[must_use]
    pub fn queue(mut self, calls: usize) -> Self {
        self.settings.queue = calls;
        self
    }

    /// Notifies the backend of connections that open and close, at this path. Default: none.
    ///
    /// The body is a list of events in their order: `[{"id": "..", "type": "connect", "channel": "..", "consumer": "ChatConsumer",
    /// "path": "/ws", "user": "7", "at": 1700000000.5}]`, with `disconnect` at the end of a connection, which also has the close `code`
    /// that `#[disconnect]` got. `user` is the [key](crate::auth::Login::key) of the user, or `null`. A list holds at most 100 events.
    ///
    /// Each event is delivered at least once while the process lives: a list is sent again, with the same `Idempotency-Key`, until the
    /// backend takes or refuses it. At most 10,000 events wait; further ones are dropped, counted and logged. A shutdown waits for them
    /// within its deadline.
    #[must_use]
    pub fn webhooks(mut self, path: impl Into<String>) -> Self {
        self.settings.webhooks = Some(path.into());
        self
    }

    /// Returns the counters.
    pub fn stats(&self) -> BackendStats {
        self.state.counters.snapshot()
    }

    pub(crate) fn counters(&self) -> &BackendCounters {
        &self.state.counters
    }

    pub(crate) fn webhooks_path(&self) -> Option<&str> {
        self.settings.webhooks.as_deref()
    }

    /// Checks the path of the webhooks and the secret.
    ///
    /// # Errors
    /// Each problem, without the secret.
    pub(crate) fn check(&self) -> Vec<String> {
        let path = self.webhooks_path().and_then(|path| self.settings.url.join(path).err());
        let path = path.map(|error| format!("the path of `webhooks` is wrong: {error}"));
        let secret = self.settings.secret.filter(|length| *length < MIN_SECRET).map(|length| match length {
            0 => format!("the secret is empty: is its environment variable set? It needs at least {MIN_SECRET} bytes"),
            _ => format!("the secret has {length} bytes, but it needs at least {MIN_SECRET}"),
        });
        path.into_iter().chain(secret).collect()
    }

    /// Sends a value as JSON, and waits for the response.
    ///
    /// While a handler waits, its connection handles nothing else; `cx.spawn` sends concurrently.
    ///
    /// # Errors
    /// See [`BackendError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the backend may have received the call or not.
    pub async fn post<B: Serialize + ?Sized>(&self, path: &str, body: &B) -> Result<BackendResponse, BackendError> {
        let body = serde_json::to_vec(body).map_err(BackendError::Encode)?;
        let url = self.settings.url.join(path).map_err(BackendError::Path)?;
        let _permit = self.permit().await?;
        let key = Uuid::new_v4().to_string();
        let result = self.attempt(&url, &key, body.into(), self.settings.attempts).await;
        let counters = &self.state.counters;
        count(match &result {
            Ok(_) => &counters.answered,
            Err(BackendError::Refused { .. }) => &counters.refused,
            Err(_) => &counters.failed,
        });
        result
    }

    /// Waits for a place.
    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, BackendError> {
        let state = &self.state;
        if let Ok(permit) = state.permits.try_acquire() {
            return Ok(permit);
        }
        let one_more = |waiting| (waiting < self.settings.queue).then_some(waiting + 1);
        if let Err(waiting) = state.waiting.fetch_update(Relaxed, Relaxed, one_more) {
            count(&state.counters.queue_full);
            return Err(BackendError::QueueFull { waiting });
        }
        let _waiting = Waiting(&state.waiting);
        Ok(state.permits.acquire().await.expect("the semaphore is never closed"))
    }

    /// Sends a list of events until the backend takes or refuses it.
    pub(crate) async fn post_webhooks(&self, key: &str, body: Bytes) -> Result<(), BackendError> {
        let path = self.webhooks_path().unwrap_or("/");
        let url = self.settings.url.join(path).map_err(BackendError::Path)?;
        match self.attempt(&url, key, body, u32::MAX).await {
            // The backend has taken the events, and nobody reads the reply.
            Ok(_) | Err(BackendError::TooLarge { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn attempt(
        &self,
        url: &BackendUrl,
        key: &str,
        body: Bytes,
        attempts: u32,
    ) -> Result<BackendResponse, BackendError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let answer = match self.state.client.send(self.request(url, key, &body), self.settings.deadline).await {
                Ok(answer) => Ok((answer.status.as_u16(), Some(answer.body))),
                // The status decides: a call that the backend has executed or refused is not repeated because of its long page.
                Err(NoAnswer::TooLarge(status)) => Ok((status.as_u16(), None)),
                Err(no_answer) => Err(no_answer),
            };
            let source: Box<dyn std::error::Error + Send + Sync> = match answer {
                Ok((status @ 200..=299, Some(body))) => return Ok(BackendResponse { status, body }),
                Ok((status @ 200..=299, None)) => return Err(BackendError::TooLarge { status }),
                Ok((status @ (408 | 429 | 500..), _)) => ServerError(status).into(),
                Ok((status, body)) => return Err(BackendError::Refused { status, body: body.unwrap_or_default() }),
                Err(no_answer) => no_answer.into(),
            };
            if attempt >= attempts {
                return Err(BackendError::Unavailable { attempts, source });
            }
            if attempt == 5 {
                let problem = source.to_string();
                tracing::warn!(%url, problem, "the backend has not taken a call in 5 attempts, which is repeated");
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            count(&self.state.counters.repeated);
        }
        unreachable!("the last attempt returns")
    }

    fn request(&self, url: &BackendUrl, key: &str, body: &Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.uri().clone();
        let path = url.uri().path_and_query().map_or("/", |path| path.as_str());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        add_headers(headers, self.settings.signer.as_ref(), key, path, body);
        request
    }
}

impl State {
    fn new(calls: usize) -> Self {
        Self {
            client: HttpClient::new(),
            permits: Semaphore::new(calls),
            waiting: AtomicUsize::new(0),
            counters: BackendCounters::default(),
        }
    }
}

/// A call that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl BackendResponse {
    /// Returns the status: 200 to 299.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Decodes the JSON of the body.
    ///
    /// # Errors
    /// [`BackendError::Reply`] if it does not fit.
    pub fn json<R: DeserializeOwned>(&self) -> Result<R, BackendError> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| BackendError::Reply {
            reply: type_name::<R>(),
            path: field_path(error.path(), &error.inner().to_string()),
        })
    }
}

impl fmt::Debug for BackendResponse {
    // The body may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("url", &self.settings.url).finish_non_exhaustive()
    }
}
