//! The reasons why a request is refused, and their responses.

use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use warp::reply::{Reply, Response};

use crate::error::shown_error;

/// The reason why a request is refused. Its text is the response, and tells the author of the backend what to write.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("publish with `POST`")]
    Method,
    #[error("the body is JSON: send the header `Content-Type: application/json`, without `Content-Encoding`")]
    ContentType,
    #[error("the body has more than {0} bytes; send fewer messages in one request, or raise `body_limit`")]
    TooLarge(usize),
    #[error("the body did not arrive completely within 10 s")]
    Incomplete,
    #[error(
        "a credential is missing: send `Authorization: Bearer <secret>`, or `Channels-Timestamp` and `Channels-Signature`"
    )]
    NoCredential,
    #[error("the secret is wrong: `Authorization: Bearer <secret>` has one of the secrets of this route")]
    Credential,
    #[error("`Channels-Timestamp` is missing or malformed: send the seconds since 1970, such as `1700000000.123456`")]
    NoTimestamp,
    #[error("`Channels-Signature` is missing or malformed: send `v1=` and the 64 hex digits of the signature")]
    NoSignature,
    #[error(
        "the signature does not fit: sign `channels-publish-v1:<Channels-Timestamp>:<body>` with HMAC-SHA256 and the secret"
    )]
    Signature,
    #[error("the request was signed more than {} s ago; sign each request when you send it, and check the clocks", window.as_secs())]
    Old { window: Duration },
    #[error("the request was signed more than a minute in the future; check the clocks")]
    Future,
    #[error("this signed request was sent before; sign each request anew, with decimals in `Channels-Timestamp`")]
    Replayed,
    #[error("too many requests; send several messages in one request: `{{\"messages\": [..]}}`")]
    TooMany,
    #[error(
        "too many signed requests; send several messages in one request: `{{\"messages\": [..]}}`, or a bearer secret"
    )]
    TooManySignatures,
    #[error("`Idempotency-Key` is malformed: send once 1 to 255 visible ASCII characters, such as a UUID")]
    MalformedKey,
    #[error("this `Idempotency-Key` was used for another body; use a new key for each request")]
    OtherBody,
    #[error("a request with this `Idempotency-Key` is not finished; try again")]
    StillSending,
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body is not a message{}: {reason}; write `{{\"group\": \"..\", \"event\": {{\"type\": \"..\", ..}}}}`", at(.path))]
    NotAMessage { path: String, reason: String },
    #[error("`messages` is empty; send at least one message")]
    Empty,
    #[error("{wrong} of {of} messages are wrong, and nothing was sent; see `results`")]
    Batch { wrong: usize, of: usize, status: StatusCode, results: Vec<MessageResult> },
    #[error(transparent)]
    Message(#[from] WrongMessage),
    #[error("{unsent} of {of} messages were not sent: the channel layer cannot take them now; send the request again")]
    Unsent { unsent: usize, of: usize, results: Vec<MessageResult> },
}

/// The reason why a message is wrong. Nothing of its request is sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrongMessage {
    #[error("a message has either a `group`, a `channel` or a `user`")]
    NoTarget,
    #[error("this route does not close the connections of users; allow it with `.users()`")]
    NoUsers,
    #[error(
        "`{event}` is not an event for a user: write `{{\"user\": \"42\", \"event\": {{\"type\": \"user.close\", \"code\": 4001}}}}`"
    )]
    NotForUsers { event: String },
    #[error("`{event}` is not the event of a message: write `\"event\": {{\"type\": \"..\", ..}}`")]
    NotAnEvent { event: String },
    #[error("there is no group `{name}`{}", after_colon(.hint))]
    UnknownGroup { name: String, hint: String },
    #[error("{0}")]
    ChannelName(String),
    #[error("this route has no consumers, so it sends to groups only; add one with `.consumer::<ChatConsumer>()`")]
    NoConsumers,
    #[error("the group `{group}` does not carry the event `{event}`; it carries {}", list(.carried))]
    NotCarried { group: String, event: String, carried: Vec<&'static str> },
    #[error("no consumer of this route handles the event `{event}`; they handle {}", list(.handled))]
    NotHandled { event: String, handled: Vec<&'static str> },
    #[error("the event `{event}` has no field `{field}`{}", fields(.known))]
    UnknownField { event: String, field: String, known: &'static [&'static str] },
    #[error("the event `{event}` is wrong{}: {reason}", at(.field))]
    Field { event: String, field: String, reason: String },
    #[error("{0}")]
    TooLarge(String),
}

/// The result of one message of a batch.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum MessageResult {
    /// Whether it was sent, for a correct message.
    Correct { sent: bool },
    /// The reason, for a wrong message.
    Wrong { error: ErrorBody },
}

/// The JSON of an error.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ErrorBody {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: ErrorBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a [MessageResult]>,
}

impl Refusal {
    /// Returns the short word for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::ContentType => "content_type",
            Self::TooLarge(_) => "too_large",
            Self::Incomplete => "incomplete",
            Self::NoCredential => "no_credential",
            Self::Credential => "wrong_secret",
            Self::NoTimestamp => "no_timestamp",
            Self::NoSignature => "no_signature",
            Self::Signature => "wrong_signature",
            Self::Old { .. } | Self::Future => "wrong_time",
            Self::Replayed => "replayed",
            Self::TooMany | Self::TooManySignatures => "too_many",
            Self::MalformedKey => "malformed_key",
            Self::OtherBody => "other_body",
            Self::StillSending => "still_sending",
            Self::NotJson(_) => "not_json",
            Self::NotAMessage { .. } => "not_a_message",
            Self::Empty => "empty",
            Self::Batch { .. } => "batch",
            Self::Message(wrong) => wrong.code(),
            Self::Unsent { .. } => "unsent",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::NoCredential
            | Self::Credential
            | Self::NoTimestamp
            | Self::NoSignature
            | Self::Signature
            | Self::Old { .. }
            | Self::Future => StatusCode::UNAUTHORIZED,
            Self::Replayed | Self::StillSending => StatusCode::CONFLICT,
            Self::TooMany | Self::TooManySignatures => StatusCode::TOO_MANY_REQUESTS,
            Self::MalformedKey | Self::NotJson(_) => StatusCode::BAD_REQUEST,
            Self::OtherBody | Self::NotAMessage { .. } | Self::Empty => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Batch { status, .. } => *status,
            Self::Message(wrong) => wrong.status(),
            Self::Unsent { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the response.
    pub(super) fn into_response(self) -> Response {
        let status = self.status();
        let mut error = ErrorBody { code: self.code(), message: shown_error(&self), field: None };
        let mut results = None;
        match &self {
            Self::Message(wrong) => error.field = wrong.field(),
            Self::NotAMessage { path, .. } => error.field = Some(path.clone()).filter(|path| !path.is_empty()),
            Self::Batch { results: all, .. } | Self::Unsent { results: all, .. } => results = Some(&**all),
            _ => {}
        }
        let mut response = json(status, &Body { error, results });
        let headers = response.headers_mut();
        match status {
            StatusCode::METHOD_NOT_ALLOWED => _ = headers.insert(ALLOW, HeaderValue::from_static("POST")),
            StatusCode::UNAUTHORIZED => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ if matches!(self, Self::StillSending) => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => {}
        }
        response
    }
}

impl WrongMessage {
    fn code(&self) -> &'static str {
        match self {
            Self::NoTarget => "no_target",
            Self::NotAnEvent { .. } => "not_an_event",
            Self::UnknownGroup { .. } => "unknown_group",
            Self::ChannelName(_) => "unknown_channel",
            Self::NoConsumers => "no_consumers",
            Self::NoUsers => "no_users",
            Self::NotCarried { .. } | Self::NotHandled { .. } | Self::NotForUsers { .. } => "unknown_event",
            Self::UnknownField { .. } => "unknown_field",
            Self::Field { .. } => "wrong_field",
            Self::TooLarge(_) => "event_too_large",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnknownGroup { .. } | Self::ChannelName(_) | Self::NoConsumers | Self::NoUsers => {
                StatusCode::NOT_FOUND
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::UnknownField { field, .. } | Self::Field { field, .. } if !field.is_empty() => Some(field.clone()),
            _ => None,
        }
    }

    pub(super) fn into_body(self) -> ErrorBody {
        ErrorBody { code: self.code(), message: shown_error(&self), field: self.field() }
    }
}

/// Returns a response that no cache keeps.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut response = warp::reply::with_status(warp::reply::json(body), status).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at `{path}`") }
}

fn after_colon(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!(": {hint}") }
}

fn list(names: &[&'static str]) -> String {
    if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

fn fields(known: &[&'static str]) -> String {
    if known.is_empty() { String::new() } else { format!("; its fields are {}", list(known)) }
}
