//! The errors, one enum for each boundary: the layer, the client, the wire, and the user's own.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::frame::FrameKind;
use crate::name::NameError;

/// What a handler returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error of a handler. `?` makes it from every [`std::error::Error`].
///
/// A handler that returns it ends its own connection with code 1011, and no other. The text goes to the log, never to
/// the client.
///
/// It is no `std::error::Error` itself, or `?` could not take them all. Where a function returns a boxed one, `?` gives the
/// error within:
///
/// ```
/// fn number() -> channels_runtime::Result<u8> {
///     Ok("256".parse()?)
/// }
///
/// fn main() {
///     let run = || -> Result<u8, Box<dyn std::error::Error>> { Ok(number()?) };
///     assert!(run().unwrap_err().is::<std::num::ParseIntError>());
/// }
/// ```
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// An error made of a sentence.
    pub fn msg(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }

    /// An error that is in a box already. A box is no [`std::error::Error`], so `?` does not take it by itself; nor does it
    /// take the errors of `anyhow` and `eyre`, which are boxes, too.
    ///
    /// ```
    /// # use channels_runtime::{Error, Result};
    /// fn load() -> std::result::Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    ///     Ok("256".parse()?)
    /// }
    ///
    /// fn handler() -> Result<u8> {
    ///     Ok(load().map_err(Error::from_boxed)?)
    /// }
    ///
    /// assert!(handler().unwrap_err().downcast_ref::<std::num::ParseIntError>().is_some());
    /// ```
    pub fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// The error within, if it is an `E`: `error.downcast_ref::<LayerError>()`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The error within.
    pub fn as_dyn(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

/// What `?` makes an [`Error`] or a [`Reject`] of: every [`std::error::Error`] that may go between threads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `std::error::Error`",
    // Of all this, the compiler shows only the label where it is `?` that asks.
    label = "no `std::error::Error`: `.map_err(Error::from_boxed)?` takes text and boxes, `#[connect] .. -> Result<Self, Reject>` a `Reject`"
)]
pub trait IntoError: StdError + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> IntoError for E {}

impl<E: IntoError> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(&*self.0, f)
    }
}

// What `fn main() -> Result<()>` prints: the sentences, not the structs.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(&*self.0, f)
    }
}

/// The sentences of all causes, each once: many a library ends its own sentence with that of its cause.
fn write_chain(error: &(dyn StdError + 'static), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut said = error.to_string();
    f.write_str(&said)?;
    let mut source = error.source();
    while let Some(cause) = source {
        let sentence = cause.to_string();
        if !said.ends_with(&sentence) {
            write!(f, ": {sentence}")?;
            said = sentence;
        }
        source = cause.source();
    }
    Ok(())
}

/// A value that serde could not write.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be written: {0}")]
pub struct EncodeError(#[source] Box<dyn StdError + Send + Sync>);

impl EncodeError {
    pub(crate) fn new(source: impl StdError + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// Why a message of the layer is not the event it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not a map in the layer's format.
    #[error("the message is not a map of names to values in {format}")]
    NotAMap {
        /// `"msgpack"` or `"json"`.
        format: &'static str,
        /// What the parser says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The message does not say which event it is.
    #[error("the message has no `type`")]
    NoType,
    /// The message came through the queue of all channels of this process, and does not say for which of them it is.
    #[error("the message has no `__asgi_channel__`")]
    NoChannel,
    /// No message, but a member of a group that has no name of a channel: nothing can be sent to it.
    #[error("a member of the group is no name of a channel")]
    NoName,
    /// No message, but something else under the key of a queue.
    #[error("what is under the key of the queue is no sorted set")]
    NoQueue,
    /// The message is shorter than the random bytes that stand before it.
    #[error("the message is shorter than its `random_prefix_length`")]
    Truncated,
    /// The message is not encrypted with one of the keys, or it is too old, or its sender's clock is more than a minute
    /// ahead.
    #[error(
        "the message cannot be decrypted: none of `symmetric_encryption_keys` fits, or it is too old or from the future"
    )]
    Undecryptable,
    /// Another event came than the one that was asked for.
    #[error("event `{event}` came where `{wanted}` is wanted")]
    Unexpected {
        /// The name of the event that came.
        event: String,
        /// The one that was asked for.
        wanted: &'static str,
    },
    /// A field is missing or is not what the payload says.
    #[error("event `{event}` does not fit `{payload}`{at}: {source}", at = at(.path))]
    Payload {
        /// The name of the event.
        event: String,
        /// The Rust type that it should have become.
        payload: &'static str,
        /// Where in the message: `user.name`, or empty for the message itself.
        path: String,
        /// What the parser says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A handler without `self`, or the payload's own serde code, panicked.
    #[error("the handler of event `{event}` panicked: {message}")]
    Panicked {
        /// The name of the event.
        event: String,
        /// What it said.
        message: String,
    },
    /// A handler without `self` could not write its frame.
    #[error("the handler of event `{event}` made a frame that cannot be written")]
    Render {
        /// The name of the event.
        event: String,
        /// Why not.
        source: EncodeError,
    },
}

impl DecodeError {
    /// Where in the message the mistake is, if the event is known: `user.name`. `None` for the message as a whole.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Payload { path, .. } => Some(path.as_str()).filter(|path| is_field(path)),
            _ => None,
        }
    }
}

/// How much of a peer's text is repeated, in the log or to itself, in characters.
const SHOWN: usize = 200;

/// The beginning of a peer's text.
pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN).map_or(text, |(end, _)| &text[..end])
}

/// A sentence of serde's without the value that it complains of: what a message says has no place in a log.
pub(crate) fn without_value(sentence: &str) -> Cow<'_, str> {
    for complaint in ["invalid type:", "invalid value:", "unknown variant"] {
        if let Some((before, rest)) = sentence.split_once(complaint)
            && let Some((value, expected)) = rest.rsplit_once(", expected ")
        {
            let kind = value.split(['`', '"']).next().unwrap_or_default().trim_end();
            return format!("{before}{complaint}{kind}, expected {expected}").into();
        }
    }
    sentence.into()
}

/// The path to what is wrong. A field that is missing is named by serde's sentence alone, and the path ends above it.
pub(crate) fn field_path(path: &serde_path_to_error::Path, sentence: &str) -> String {
    let path = path.to_string();
    let missing = sentence.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    match missing {
        Some((field, _)) if is_field(&path) => format!("{path}.{field}"),
        Some((field, _)) => field.to_owned(),
        None => path,
    }
}

fn is_field(path: &str) -> bool {
    !matches!(path, "" | "." | "?")
}

fn at(path: &str) -> String {
    if is_field(path) { format!(" at `{path}`") } else { String::new() }
}

/// What a send through the channel layer, or a change of a group, can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The channel's mailbox holds `capacity` messages that its owner has not taken yet. This message was not sent.
    #[error("channel `{channel}` is full: {capacity} messages wait there; send later, or raise `capacity`")]
    ChannelFull {
        /// The channel that was sent to.
        channel: String,
        /// Its limit.
        capacity: usize,
    },
    /// The name of a channel or a group is not legal.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The `prefix` of a pub/sub layer stands before every channel's own name, and none that begins with it is legal.
    #[error(
        "the prefix `{prefix}` cannot begin the name of a channel; it may have {} ASCII letters, digits, hyphens, underscores and periods",
        crate::name::MAX_PREFIX_LENGTH
    )]
    Prefix {
        /// The prefix.
        prefix: String,
        /// What is wrong with a name that begins with it.
        source: NameError,
    },
    /// The event could not be written.
    #[error("event `{event}` cannot be written")]
    Encode {
        /// The name of the event.
        event: String,
        /// Why not.
        source: EncodeError,
    },
    /// A raw message is no event.
    #[error(
        "a raw message must be a JSON object with a `type` that is a string, such as {{\"type\": \"chat.message\", ..}}"
    )]
    NotAnEvent,
    /// This layer can only add channels of this process to a group.
    #[error("channel `{channel}` is not one of this process; a channel joins a group where it lives")]
    NotLocal {
        /// The channel that should have joined.
        channel: String,
    },
    /// Only one worker in a process can read a channel of this layer, and one does.
    #[error("channel `{channel}` has its worker in this process already; raise the `concurrency` of that one")]
    HasWorker {
        /// The channel.
        channel: String,
    },
    /// The other end of the layer (Redis) did not do what was asked.
    #[error("the channel layer cannot be reached: {action} failed")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A question was not answered in time.
    #[error("no `{event}` came from channel `{channel}` within {deadline:?}")]
    NoReply {
        /// The channel that was asked.
        channel: String,
        /// The name of the event that the answer would be.
        event: &'static str,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// A question was answered with another event, or with one that does not fit its type.
    #[error("channel `{channel}` gave an answer that does not fit the question")]
    WrongReply {
        /// The channel that was asked.
        channel: String,
        /// What is wrong with the answer.
        source: DecodeError,
    },
    /// The layer was closed.
    #[error("the channel layer is closed")]
    Closed,
    /// No layer of that name exists.
    #[error(
        "there is no channel layer `{alias}`; build `Channels` first, or call `ChannelLayer::install(\"{alias}\")`"
    )]
    NoSuchLayer {
        /// The name that was asked for.
        alias: String,
    },
    /// The blocking twin was called on a thread that runs async code, which it would stop.
    #[error(
        "a blocking call in async code would stop its thread; use the async method of the same name and `.await` it, in a \
         method marked `blocking` within `cx.block_on(async |cx| ..)`"
    )]
    BlockingInAsync,
}

/// Why a timer, or work beside the handlers, could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// The consumer has as many as it may have.
    #[error(
        "this consumer has {bound} timers and pieces of work already; cancel those that are outdated, or wait in one of them"
    )]
    TooMany {
        /// The limit.
        bound: usize,
    },
}

/// Why [`Context::block_on`](crate::Context::block_on) could not wait.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// The runtime has one thread, and what is waited for needs it as well.
    #[error(
        "`block_on` would wait for ever: this runtime has one thread, which is blocked then; take one with several \
         (`#[tokio::main]`, `#[tokio::test(flavor = \"multi_thread\")]`), or an `async fn`"
    )]
    OneThread,
}

/// Why something could not be sent to the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closed, or is closing.
    #[error("the connection is closed")]
    Closed,
    /// The consumer runs in a worker.
    #[error("a worker has no client to send to; answer with `cx.send_event(..)` or `cx.group_send(..)`")]
    NoClient,
    /// The value could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Why a client's frame is not what `#[receive]` takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Binary where text is wanted, or the other way round.
    #[error("a {got} frame came where a {expected} frame is wanted")]
    Kind {
        /// What is wanted.
        expected: FrameKind,
        /// What came.
        got: FrameKind,
    },
    /// Text that is not the JSON it should be.
    #[error("the frame is not the JSON that is wanted{at}: {source}", at = at(.path))]
    Json {
        /// Where in the JSON: `user.name`, or empty for the whole.
        path: String,
        /// What the parser says.
        source: serde_json::Error,
    },
}

impl FrameError {
    pub(crate) fn json(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = field_path(error.path(), &error.inner().to_string());
        Self::Json { path, source: error.into_inner() }
    }
}

/// Why a client's frame is none of the commands of its consumer. The command never reached the consumer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The frame does not name a command.
    #[error("the frame names no command: a JSON object with the field `{tag}` is wanted")]
    NoCommand {
        /// The field that names the command.
        tag: &'static str,
    },
    /// No command has that name.
    #[error("there is no command `{name}`; the commands are {}", list(.commands))]
    Unknown {
        /// The name that came.
        name: String,
        /// Those that exist.
        commands: &'static [&'static str],
    },
    /// The command's fields are not what it takes.
    #[error("command `{name}` is malformed{at}: {source}", at = at(.path))]
    Malformed {
        /// The command.
        name: &'static str,
        /// Where: `user.name`, or empty for the whole.
        path: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The frame is not what `#[receive]` takes.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The consumer has no `#[receive]`: whatever a client says is ignored.
    #[error("this consumer takes nothing from its client")]
    NotListening,
}

impl CommandError {
    /// A short word for a program: what stands under `code` in the error frame.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCommand { .. } => "no_command",
            Self::Unknown { .. } => "unknown_command",
            Self::Malformed { .. } => "malformed_command",
            Self::Frame(FrameError::Kind { .. }) => "unsupported_frame",
            Self::Frame(FrameError::Json { .. }) => "malformed_json",
            Self::NotListening => "not_listening",
        }
    }

    /// The name in the frame, if it names a command.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Unknown { name, .. } => Some(name),
            Self::Malformed { name, .. } => Some(name),
            Self::NoCommand { .. } | Self::Frame(_) | Self::NotListening => None,
        }
    }

    /// Where in the frame the mistake is: `user.name`. `None` for the frame as a whole.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Malformed { path, .. } | Self::Frame(FrameError::Json { path, .. }) => {
                Some(path.as_str()).filter(|path| is_field(path))
            }
            Self::NoCommand { tag } => Some(tag),
            Self::Unknown { .. } | Self::Frame(FrameError::Kind { .. }) | Self::NotListening => None,
        }
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// How `#[connect]` refuses a connection: the HTTP status that answers the handshake. 403 unless another is named.
///
/// Every [`std::error::Error`] becomes one through `?`: status 500 (503 if the channel layer cannot be reached), with the
/// error in the log and not in the answer.
///
/// ```
/// use channels_runtime::Reject;
/// assert_eq!(Reject::forbidden().status(), 403);
/// assert_eq!(Reject::not_found().with_reason("no such room").status(), 404);
/// ```
pub struct Reject {
    status: StatusCode,
    reason: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Error>,
}

impl Reject {
    /// Refuses with this status. A status that is no refusal (below 400) becomes 403.
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 400);
        Self { status: status.unwrap_or(StatusCode::FORBIDDEN), reason: None, retry_after: None, source: None }
    }

    /// 401: who are you?
    pub fn unauthorized() -> Self {
        Self::new(401)
    }

    /// 403: not you.
    pub fn forbidden() -> Self {
        Self::new(403)
    }

    /// 404: nothing here.
    pub fn not_found() -> Self {
        Self::new(404)
    }

    /// Adds a sentence for the client: the body of the answer.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds when the client may come back: the header `Retry-After`, in whole seconds, at least one. Browsers do not show it
    /// to a page's script.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// When the client may come back.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The body of the answer: the reason, or what the status is called.
    pub fn reason(&self) -> &str {
        self.reason.as_deref().or(self.status.canonical_reason()).unwrap_or("refused")
    }

    /// The error behind a 500: for the log.
    pub fn source(&self) -> Option<&Error> {
        self.source.as_ref()
    }
}

impl Default for Reject {
    fn default() -> Self {
        Self::forbidden()
    }
}

impl<E: IntoError> From<E> for Reject {
    fn from(error: E) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Reject {
    fn from(error: Error) -> Self {
        // The program is not at fault when Redis is away: the client may come back.
        let status = match error.downcast_ref() {
            Some(LayerError::Unavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, reason: None, retry_after: None, source: Some(error) }
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reject({} {:?}", self.status.as_u16(), self.reason())?;
        if let Some(source) = &self.source {
            write!(f, ", {source}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_the_kind_of_a_value_and_not_the_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Open,
        }
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code)]
        struct Form {
            pin: u8,
            kind: Kind,
        }
        let told = |json: &str| {
            let error = serde_json::from_str::<Form>(json).unwrap_err().to_string();
            without_value(&error).split(" at line").next().unwrap().to_owned()
        };
        assert_eq!(told(r#"{"pin": "my, expected secret"}"#), "invalid type: string, expected u8");
        assert_eq!(told(r#"{"pin": "\"quoted\" `secret"}"#), "invalid type: string, expected u8");
        assert_eq!(told(r#"{"pin": 4711}"#), "invalid value: integer, expected u8");
        assert_eq!(told(r#"{"pin": [4711]}"#), "invalid type: sequence, expected u8");
        assert_eq!(told(r#"{"kind": "secret"}"#), "unknown variant, expected `open`");
        assert_eq!(told(r#"{"kind": "open"}"#), "missing field `pin`");
        assert_eq!(told("{"), "EOF while parsing an object");
    }

    #[test]
    fn a_status_that_refuses_nothing_becomes_403() {
        assert_eq!(Reject::new(200).status(), 403);
        assert_eq!(Reject::new(7).status(), 403);
        assert_eq!(Reject::new(429).status(), 429);
    }

    #[test]
    fn an_error_in_connect_is_a_500_that_tells_the_client_nothing() {
        fn connect() -> Result<(), Reject> {
            Err(std::io::Error::other("secret"))?;
            Ok(())
        }
        let reject = connect().unwrap_err();
        assert_eq!(reject.status(), 500);
        assert_eq!(reject.reason(), "Internal Server Error");
        assert!(reject.source().unwrap().to_string().contains("secret"));
    }

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("no connection: {0}")]
        struct Telling(#[source] std::io::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("sending failed")]
        struct Silent(#[source] Telling);

        let refused = std::io::Error::other(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let error = Error::from(Silent(Telling(refused)));
        assert_eq!(error.to_string(), "sending failed: no connection: connection refused");
    }
}
