//! Answers the requests of one route.

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use warp::reply::Response;

use crate::app::Channels;
use crate::server::PublishCounters;
use crate::support::{LogLimit, TokenBucket, count, lock};
use crate::web::publish::credentials::Claim;
use crate::web::publish::delivery::deliver;
use crate::web::publish::idempotency::{Found, IdempotencyKeys, MAX_KEY, Sending};
use crate::web::publish::publish::{Publish, Settings};
use crate::web::publish::refusal::{MessageResult, Refusal, json};
use crate::web::publish::request::{BODY_DEADLINE, Request};
use crate::web::publish::targets::Checked;

/// The most requests with a valid credential that are read, checked and sent at a time.
const MOST_AT_ONCE: usize = 64;

/// The most signed requests whose bodies are read at a time. Anyone can send such a body, so they do not take the places above.
const MOST_UNVERIFIED: usize = 64;

/// The key of a request that may be sent again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The state of a route.
pub(super) struct Publisher {
    channels: Channels,
    settings: Arc<Settings>,
    keys: Arc<IdempotencyKeys>,
    bucket: Mutex<TokenBucket>,
    in_progress: Arc<Semaphore>,
    unverified: Semaphore,
    logs: LogLimit,
}

/// The outcome of an accepted request.
enum Accepted {
    Sent(usize),
    Repeated(usize),
}

impl Publisher {
    pub(super) fn new(channels: &Channels, publish: Publish) -> Arc<Self> {
        let Publish { settings } = publish;
        Arc::new(Self {
            channels: channels.clone(),
            keys: IdempotencyKeys::new(settings.remember),
            bucket: Mutex::new(TokenBucket::new(settings.rate, Instant::now())),
            in_progress: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            unverified: Semaphore::new(MOST_UNVERIFIED),
            logs: LogLimit::default(),
            settings,
        })
    }

    /// Answers a request, and counts and logs its outcome.
    pub(super) async fn respond<B, E>(
        &self,
        method: Method,
        headers: HeaderMap,
        body: impl Stream<Item = Result<B, E>>,
    ) -> Response
    where
        B: Buf,
    {
        let counters = self.channels.server().published();
        match self.answer(&method, &headers, body).await {
            Ok(Accepted::Sent(sent)) => {
                count(&counters.accepted);
                json(StatusCode::ACCEPTED, &json!({"sent": sent}))
            }
            Ok(Accepted::Repeated(sent)) => {
                count(&counters.repeated);
                json(StatusCode::ACCEPTED, &json!({"sent": sent}))
            }
            Err(refusal) => {
                self.note(&refusal, counters);
                refusal.into_response()
            }
        }
    }

    fn note(&self, refusal: &Refusal, counters: &PublishCounters) {
        let (status, code) = (refusal.status(), refusal.code());
        count(match status {
            StatusCode::UNAUTHORIZED => &counters.unauthorized,
            StatusCode::TOO_MANY_REQUESTS => &counters.limited,
            StatusCode::SERVICE_UNAVAILABLE => &counters.unsent,
            _ if matches!(refusal, Refusal::Replayed) => &counters.replayed,
            _ => &counters.wrong,
        });
        let is_suspicious = status == StatusCode::UNAUTHORIZED || matches!(refusal, Refusal::Replayed);
        if is_suspicious && self.logs.allows() {
            tracing::warn!(status = status.as_u16(), code, "a publish request has no valid credential");
        } else {
            tracing::debug!(status = status.as_u16(), code, "a publish request was refused");
        }
    }

    async fn answer<B: Buf, E>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: impl Stream<Item = Result<B, E>>,
    ) -> Result<Accepted, Refusal> {
        if method != Method::POST {
            return Err(Refusal::Method);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let claim = self.settings.secrets.check(headers, self.settings.window, now)?;
        if !is_json(headers) {
            return Err(Refusal::ContentType);
        }
        let (body, permit) = match claim {
            Claim::Bearer => {
                let permit = self.admit()?;
                (self.read(headers, body).await?, permit)
            }
            Claim::Signed { timestamp, signature } => {
                let unverified = self.unverified.try_acquire().map_err(|_| Refusal::TooMany)?;
                let body = self.read(headers, body).await?;
                let signature = self.settings.secrets.verify(&timestamp, &signature, &body)?;
                drop(unverified);
                let permit = self.admit()?;
                self.settings.seen.remember(signature, Instant::now())?;
                (body, permit)
            }
        };
        let sending = self.key(headers, &body)?;
        let request = Request::read(&body)?;
        let of = request.messages.len();
        let sending = match sending {
            Some(Found::Repeated) => return Ok(Accepted::Repeated(of)),
            Some(Found::New(sending)) => Some(sending),
            None => None,
        };
        let messages = self.check(&request, &body)?;
        // A task of its own: if the backend hangs up, its messages are sent all the same, and its key says so.
        let layer = self.channels.channel_layer();
        let task = self.channels.server().spawn_request(async move {
            let before = sending.as_ref().map(|sending: &Sending| sending.sent.clone()).unwrap_or_default();
            let sent = deliver(&layer, messages, before).await;
            if let Some(sending) = sending {
                sending.end(sent.clone());
            }
            drop(permit);
            sent
        });
        // The task is only aborted with the runtime.
        let sent = task.await.unwrap_or_else(|_| vec![false; of]);
        let counters = self.channels.server().published();
        let unsent = sent.iter().filter(|sent| !**sent).count();
        counters.messages.fetch_add((of - unsent) as u64, Relaxed);
        if unsent == 0 {
            return Ok(Accepted::Sent(of));
        }
        let results = sent.into_iter().map(|sent| MessageResult::Correct { sent }).collect();
        Err(Refusal::Unsent { unsent, of, results })
    }

    /// Admits a request with a valid credential.
    fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if !lock(&self.bucket).take(Instant::now()) {
            return Err(Refusal::TooMany);
        }
        Arc::clone(&self.in_progress).try_acquire_owned().map_err(|_| Refusal::TooMany)
    }

    /// Reads the body.
    ///
    /// # Errors
    /// If it is too large, or does not arrive in time.
    async fn read<B: Buf, E>(
        &self,
        headers: &HeaderMap,
        body: impl Stream<Item = Result<B, E>>,
    ) -> Result<Bytes, Refusal> {
        let limit = self.settings.body_limit;
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(Refusal::TooLarge(limit));
        }
        let read = async {
            let mut body = pin!(body);
            let mut whole = BytesMut::new();
            while let Some(part) = body.next().await {
                let mut part = part.map_err(|_| Refusal::Incomplete)?;
                if whole.len() + part.remaining() > limit {
                    return Err(Refusal::TooLarge(limit));
                }
                while part.has_remaining() {
                    let chunk = part.chunk();
                    let length = chunk.len();
                    whole.extend_from_slice(chunk);
                    part.advance(length);
                }
            }
            Ok(whole.freeze())
        };
        tokio::time::timeout(BODY_DEADLINE, read).await.unwrap_or(Err(Refusal::Incomplete))
    }

    /// Looks the `Idempotency-Key` up, if there is one.
    fn key(&self, headers: &HeaderMap, body: &Bytes) -> Result<Option<Found>, Refusal> {
        let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else { return Ok(None) };
        let is_right = |key: &&str| {
            (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        let key = key.to_str().ok().filter(is_right).filter(|_| keys.next().is_none()).ok_or(Refusal::MalformedKey)?;
        self.keys.begin(key, Sha256::digest(body).into(), Instant::now()).map(Some)
    }

    /// Checks all messages of a request. If one is wrong, none is sent.
    fn check(&self, request: &Request<'_>, body: &Bytes) -> Result<Vec<Checked>, Refusal> {
        let layer = self.channels.layer();
        let check = |message| self.settings.targets.check(layer, message, body);
        if !request.is_batch {
            return Ok(request.messages.iter().map(check).collect::<Result<_, _>>()?);
        }
        let of = request.messages.len();
        let mut checked = Vec::with_capacity(of);
        let mut wrong = 0;
        let mut status = None;
        let mut results = Vec::new();
        for message in &request.messages {
            let result = match check(message) {
                Ok(message) => {
                    checked.push(message);
                    MessageResult::Correct { sent: false }
                }
                Err(error) => {
                    wrong += 1;
                    status.get_or_insert(error.status());
                    MessageResult::Wrong { error: error.into_body() }
                }
            };
            results.push(result);
        }
        match status {
            None => Ok(checked),
            Some(status) => Err(Refusal::Batch { wrong, of, status, results }),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_plain = headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding.as_bytes() == b"identity");
    content.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") && is_plain
}
