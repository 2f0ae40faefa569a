//! One question to the backend, which all clients with the same credentials share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Shared, WeakShared};
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::auth::forward::answer_cache::{AnswerCache, Key};
use crate::auth::forward::breaker::{Breaker, Client, Failure};
use crate::auth::forward::credentials::{Credentials, KeyMaker};
use crate::auth::forward::stats::ForwardAuthCounters;
use crate::backend::{Answer, BackendUrl, HttpClient, NoAnswer};
use crate::error::{field_path, shown_error};
use crate::support::{LogLimit, count, lock};

/// The highest number of questions that run or wait together.
const MAX_QUESTIONS: usize = 4096;

/// The settings of [`ForwardAuth`](crate::auth::ForwardAuth).
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) url: BackendUrl,
    pub(super) deadline: Duration,
    pub(super) ttl: Duration,
    pub(super) rejected_ttl: Duration,
    pub(super) capacity: usize,
    pub(super) cookies: Option<Vec<String>>,
    pub(super) headers: HeaderMap,
    pub(super) key_field: String,
    pub(super) asks_for_anonymous: bool,
}

/// What the backend knows about credentials.
pub(super) enum Known<U> {
    User { user: Arc<U>, key: Option<Arc<str>>, answered: Instant },
    Anonymous { answered: Instant },
    Rejected { answered: Instant },
}

impl<U> Known<U> {
    /// Returns when the backend was asked.
    fn answered(&self) -> Instant {
        match self {
            Self::User { answered, .. } | Self::Anonymous { answered } | Self::Rejected { answered } => *answered,
        }
    }
}

// `derive` would require `U: Clone`.
impl<U> Clone for Known<U> {
    fn clone(&self) -> Self {
        match self {
            Self::User { user, key, answered } => {
                Self::User { user: Arc::clone(user), key: key.clone(), answered: *answered }
            }
            Self::Anonymous { answered } => Self::Anonymous { answered: *answered },
            Self::Rejected { answered } => Self::Rejected { answered: *answered },
        }
    }
}

/// Why there is no answer. The client may try again after the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Failed,
    HeldOff(Duration),
    CrowdedOut,
}

type Outcome<U> = Result<Known<U>, Unknown>;
type Flight<U> = BoxFuture<'static, Outcome<U>>;

/// The state of all questions.
pub(super) struct Questions<U> {
    client: HttpClient,
    /// The requests that may run together.
    permits: Arc<Semaphore>,
    keys: KeyMaker,
    table: Mutex<Table<U>>,
    breaker: Arc<Breaker>,
    failure_logs: LogLimit,
    pub(super) counters: Arc<ForwardAuthCounters>,
}

struct Table<U> {
    users: AnswerCache<Known<U>>,
    /// Apart from the users: a flood of invalid credentials does not replace them.
    others: AnswerCache<Known<U>>,
    /// The running questions. Bound: [`MAX_QUESTIONS`]. Policy: a further client gets an error.
    ///
    /// The clients own the future, so the request is dropped with the last of them, and not with the first.
    flights: HashMap<Key, Running<U>>,
    next: u64,
}

/// A running question.
struct Running<U> {
    number: u64,
    began: Instant,
    flight: WeakShared<Flight<U>>,
}

impl<U: DeserializeOwned + Send + Sync + 'static> Questions<U> {
    pub(super) fn new(permits: usize) -> Self {
        Self {
            client: HttpClient::new(),
            permits: Arc::new(Semaphore::new(permits)),
            keys: KeyMaker::random(),
            table: Mutex::new(Table {
                users: AnswerCache::default(),
                others: AnswerCache::default(),
                flights: HashMap::new(),
                next: 0,
            }),
            breaker: Arc::default(),
            failure_logs: LogLimit::default(),
            counters: Arc::default(),
        }
    }

    /// Returns what the backend knows about these credentials: from the cache, or from a question that is already running, or from
    /// a new question. With `after`, only from a question that was asked after this time.
    ///
    /// # Cancel safety
    /// If the future is dropped, other clients that wait for the same answer get it.
    pub(super) async fn ask(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        credentials: Credentials,
        after: Option<Instant>,
    ) -> Outcome<U> {
        match self.find(settings, credentials, after)? {
            Either::Left(known) => Ok(known),
            Either::Right(flight) => flight.await,
        }
    }

    /// Returns the answer, or the running question.
    fn find(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        credentials: Credentials,
        after: Option<Instant>,
    ) -> Result<Either<Known<U>, Shared<Flight<U>>>, Unknown> {
        let key = self.keys.key(&credentials);
        let mut table = lock(&self.table);
        let is_new = |answered| Some(answered) > after;
        let known = table.users.get(&key).or_else(|| table.others.get(&key));
        if let Some(known) = known.filter(|known| is_new(known.answered())) {
            count(&self.counters.cached);
            return Ok(Either::Left(known.clone()));
        }
        let running = table.flights.get(&key).filter(|running| is_new(running.began));
        if let Some(flight) = running.and_then(|running| running.flight.upgrade()) {
            count(&self.counters.joined);
            return Ok(Either::Right(flight));
        }
        if after.is_some() {
            table.users.remove(&key);
            table.others.remove(&key);
        }
        if table.flights.len() >= MAX_QUESTIONS {
            count(&self.counters.crowded_out);
            return Err(Unknown::CrowdedOut);
        }
        let number = table.next;
        table.next += 1;
        let (began, place) = (Instant::now(), Place { questions: Arc::clone(self), key, number });
        let flight: Flight<U> = place.ask(Arc::clone(settings), credentials, began).boxed();
        let flight = flight.shared();
        if let Some(weak) = flight.downgrade() {
            table.flights.insert(key, Running { number, began, flight: weak });
        }
        Ok(Either::Right(flight))
    }

    async fn request(&self, settings: &Settings, credentials: &Credentials, answered: Instant) -> Outcome<U> {
        let began = async {
            let permit = self.permits.acquire().await.map_err(|_| Unknown::CrowdedOut)?;
            // Checked after the wait, during which the backend may have gone down.
            let pass = self.breaker.enter().map_err(|left| {
                count(&self.counters.held_off);
                Unknown::HeldOff(left)
            })?;
            Ok((permit, pass))
        };
        // A request that waited longer would have too little time, and a flood of logins would fail as a whole.
        let Ok(began) = tokio::time::timeout(settings.deadline / 2, began).await else {
            count(&self.counters.crowded_out);
            return Err(Unknown::CrowdedOut);
        };
        let (_permit, pass) = began?;
        let left = settings.deadline.saturating_sub(answered.elapsed());
        let sent = self.send(settings, credentials, left).await;
        match failure(&sent, credentials.client()) {
            None => {
                if pass.succeed() {
                    tracing::info!(url = %settings.url, "the backend answers again");
                }
            }
            Some(failure) => {
                if let Some(pause) = pass.fail(failure) {
                    tracing::error!(url = %settings.url, ?pause, "the backend is down; logins get 503 until it answers");
                }
            }
        }
        let problem = match sent {
            Ok(answer) => match read(&answer, &settings.key_field, answered) {
                Ok(known) => {
                    if matches!(known, Known::Rejected { .. }) {
                        count(&self.counters.rejected);
                    }
                    return Ok(known);
                }
                Err(problem) => problem,
            },
            Err(error) => match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {}", innermost(cause)),
                None => error.to_string(),
            },
        };
        count(&self.counters.failed);
        if self.failure_logs.allows() {
            let problem = shown_error(problem);
            tracing::error!(url = %settings.url, problem, "the backend did not identify a client");
        }
        Err(Unknown::Failed)
    }

    async fn send(&self, settings: &Settings, credentials: &Credentials, left: Duration) -> Result<Answer, NoAnswer> {
        let began = Instant::now();
        let send = |left| {
            count(&self.counters.asked);
            let mut request = Request::new(Full::<Bytes>::default());
            *request.uri_mut() = settings.url.uri().clone();
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            credentials.write(headers);
            headers.extend(settings.headers.clone());
            self.client.send(request, left)
        };
        match send(left).await {
            // The backend may close an unused connection just when the request is sent. The request changes nothing, so it is sent
            // again.
            Err(NoAnswer::Broken(_)) => send(left.saturating_sub(began.elapsed())).await,
            sent => sent,
        }
    }
}

/// The place of a running question in the table. It is removed on drop.
struct Place<U> {
    questions: Arc<Questions<U>>,
    key: Key,
    number: u64,
}

impl<U: DeserializeOwned + Send + Sync + 'static> Place<U> {
    async fn ask(self, settings: Arc<Settings>, credentials: Credentials, began: Instant) -> Outcome<U> {
        let outcome = self.questions.request(&settings, &credentials, began).await;
        if let Ok(known) = &outcome {
            let mut table = lock(&self.questions.table);
            // Otherwise a newer question runs, because this answer is too old for a client.
            let is_newest = table.flights.get(&self.key).is_some_and(|running| running.number == self.number);
            if is_newest {
                let (cache, ttl) = match known {
                    Known::User { .. } => (&mut table.users, settings.ttl),
                    Known::Anonymous { .. } | Known::Rejected { .. } => (&mut table.others, settings.rejected_ttl),
                };
                cache.insert(self.key, known.clone(), ttl, settings.capacity);
            }
        }
        outcome
    }
}

impl<U> Drop for Place<U> {
    fn drop(&mut self) {
        let mut table = lock(&self.questions.table);
        if table.flights.get(&self.key).is_some_and(|running| running.number == self.number) {
            table.flights.remove(&self.key);
        }
    }
}

/// Returns whether the backend has failed, as far as the result of one request says.
fn failure(sent: &Result<Answer, NoAnswer>, client: Client) -> Option<Failure> {
    match sent {
        Err(NoAnswer::Connect(_)) => Some(Failure::Backend),
        Err(NoAnswer::Late(_) | NoAnswer::Broken(_)) => Some(Failure::Request(client)),
        Err(NoAnswer::TooLarge(_)) => None,
        // A proxy in front of the backend sends these if it cannot reach it. Any other status is about this request: a user whose
        // page fails, or a client that the backend throttles, must not lock the others out.
        Ok(answer) => matches!(answer.status.as_u16(), 502..=504).then_some(Failure::Request(client)),
    }
}

/// Reads the answer of the backend.
fn read<U: DeserializeOwned>(answer: &Answer, key_field: &str, answered: Instant) -> Result<Known<U>, String> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NO_CONTENT => return Ok(Known::Anonymous { answered }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(Known::Rejected { answered }),
        status => {
            let status = status.as_u16();
            return Err(match &answer.location {
                Some(location) => format!("it answered {status}, a redirect to `{location}`, which is not followed"),
                None => format!("it answered {status}; 200, 204, 401 or 403 is expected"),
            });
        }
    }
    // The error of JSON contains a place, and not the content.
    let json: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("it answered no JSON: {error}"))?;
    if json.is_null() {
        return Ok(Known::Anonymous { answered });
    }
    let key = match json.get(key_field) {
        Some(Value::String(key)) if !key.is_empty() => Some(key.as_str().into()),
        Some(Value::Number(key)) if key.is_f64() => {
            // Different numbers can have the same text: a fraction has 15 digits.
            return Err(format!("its `{key_field}` is a fraction, or has more than 64 bits; write a text"));
        }
        Some(Value::Number(key)) => Some(key.to_string().into()),
        _ => None,
    };
    let user = serde_path_to_error::deserialize(json).map_err(|error| {
        let path = field_path(error.path(), &error.inner().to_string());
        format!("its JSON does not fit `{}`, at `{path}`", std::any::type_name::<U>())
    })?;
    Ok(Known::User { user: Arc::new(user), key, answered })
}

fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::from_static(body.as_bytes()),
            location: None,
        }
    }

    #[test]
    fn only_a_missing_answer_counts_as_failure() {
        let statuses = [(200, false), (401, false), (429, false), (500, false), (502, true), (503, true), (504, true)];
        for (status, wanted) in statuses {
            assert_eq!(failure(&Ok(answer(status, "")), None).is_some(), wanted, "{status}");
        }
        let refused = failure(&Err(NoAnswer::Connect("refused".into())), None);
        assert!(matches!(refused, Some(Failure::Backend)), "no client can cause that");
        let late = failure(&Err(NoAnswer::Late(Duration::from_secs(3))), None);
        assert!(matches!(late, Some(Failure::Request(None))));
        assert!(failure(&Err(NoAnswer::TooLarge(StatusCode::OK)), None).is_none());
    }

    #[test]
    fn missing_field_is_named() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only its name matters")]
        struct Named {
            name: String,
        }
        let read = read::<Named>(&answer(200, r#"{"id": 1}"#), "id", Instant::now());
        let Err(problem) = read else { panic!("a user without a name") };
        assert!(problem.ends_with("at `name`"), "{problem}");
    }

    #[test]
    fn key_is_text_or_whole_number() {
        let key = |body| match read::<Value>(&answer(200, body), "id", Instant::now()) {
            Ok(Known::User { key, .. }) => Ok(key),
            Ok(_) => panic!("no user: {body}"),
            Err(problem) => Err(problem),
        };
        assert_eq!(key(r#"{"id": "ann"}"#).unwrap().as_deref(), Some("ann"));
        assert_eq!(key(r#"{"id": 18446744073709551615}"#).unwrap().as_deref(), Some("18446744073709551615"));
        assert_eq!(key(r#"{"id": ""}"#).unwrap(), None);
        // As floats, these two are the same number.
        for body in [r#"{"id": 36893488147419103233}"#, r#"{"id": 36893488147419103234}"#, r#"{"id": 1.5}"#] {
            assert!(key(body).unwrap_err().contains("`id`"), "{body}");
        }
    }
}
