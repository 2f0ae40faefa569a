//! Errors of encoding and decoding.

use std::error::Error as StdError;

/// A value that could not be encoded.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be encoded{at}: {source}", at = at(.path))]
pub struct EncodeError {
    /// The position of the value: `user.scores`, or empty if it is unknown.
    path: String,
    source: Box<dyn StdError + Send + Sync>,
}

impl EncodeError {
    pub(crate) fn new(source: impl StdError + Send + Sync + 'static) -> Self {
        Self { path: String::new(), source: Box::new(source) }
    }

    /// Returns an error with the position of the value.
    pub(crate) fn at(path: String, reason: String) -> Self {
        Self { path, source: reason.into() }
    }

    /// Returns the field of the event that cannot be encoded, such as `user.scores`. Returns `None` if the event as a whole
    /// cannot be encoded, and for values that are not events.
    pub fn field(&self) -> Option<&str> {
        Some(self.path.as_str()).filter(|path| is_field(path))
    }
}

/// The reason why a message of the layer could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not a map in the layer's format.
    #[error("the message is not a map of names to values in {format}")]
    NotAMap {
        /// `"msgpack"` or `"json"`.
        format: &'static str,
        /// The error of the parser.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The message does not name its event.
    #[error("the message has no `type`")]
    NoType,
    /// The message arrived in the queue of this process, but does not name its channel.
    #[error("the message has no `__asgi_channel__`")]
    NoChannel,
    /// A member of a group is not a channel name, so nothing can be sent to it. No message is involved.
    #[error("a member of the group is not a channel name")]
    NoName,
    /// The Redis key of a queue holds another type of value. No message is involved.
    #[error("the queue's key does not hold a sorted set")]
    NoQueue,
    /// The message is shorter than its random prefix.
    #[error("the message is shorter than its `random_prefix_length`")]
    Truncated,
    /// The kept message, or the notice before a message to a group with a history, does not name its predecessor.
    #[error("the message of a history does not name its predecessor")]
    NoLink,
    /// No key decrypts the message, or the message is too old, or its sender's clock is more than a minute ahead.
    #[error(
        "the message cannot be decrypted: none of `symmetric_encryption_keys` fits, or it is too old or from the future"
    )]
    Undecryptable,
    /// The message holds another event than the expected one.
    #[error("expected event `{wanted}`, got `{event}`")]
    Unexpected {
        /// The name of the event in the message.
        event: String,
        /// The name of the expected event.
        wanted: &'static str,
    },
    /// A field is missing or does not fit the payload.
    #[error("event `{event}` does not fit `{payload}`{at}: {source}", at = at(.path))]
    Payload {
        /// The name of the event.
        event: String,
        /// The Rust type of the payload.
        payload: &'static str,
        /// The position in the message: `user.name`, or empty for the message itself.
        path: String,
        /// The error of the parser.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A handler without `self`, or the payload's own serde code, panicked.
    #[error("the handler of event `{event}` panicked: {message}")]
    Panicked {
        /// The name of the event.
        event: String,
        /// The message of the panic.
        message: String,
    },
    /// A handler without `self` returned an error, or a value that cannot be encoded.
    #[error("the handler of event `{event}` failed: {source}")]
    Render {
        /// The name of the event.
        event: String,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl DecodeError {
    /// Returns the field of the payload that is wrong, such as `user.name`. Returns `None` if the message as a whole is wrong.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Payload { path, .. } => Some(path.as_str()).filter(|path| is_field(path)),
            _ => None,
        }
    }
}

/// Returns the path of the field that is wrong. For a missing field, serde's path ends at the parent, and only the text of the
/// error names the field.
pub(crate) fn field_path(path: &serde_path_to_error::Path, message: &str) -> String {
    let path = path.to_string();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    match missing {
        Some((field, _)) if is_field(&path) => format!("{path}.{field}"),
        Some((field, _)) => field.to_owned(),
        None => path,
    }
}

pub(crate) fn is_field(path: &str) -> bool {
    !matches!(path, "" | "." | "?")
}

pub(crate) fn at(path: &str) -> String {
    if is_field(path) { format!(" at `{path}`") } else { String::new() }
}
