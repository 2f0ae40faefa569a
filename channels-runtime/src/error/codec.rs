//! The errors, one enum for each boundary: the layer, the client, the wire, and the user's own.

use std::error::Error as StdError;

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

pub(crate) fn is_field(path: &str) -> bool {
    !matches!(path, "" | "." | "?")
}

pub(crate) fn at(path: &str) -> String {
    if is_field(path) { format!(" at `{path}`") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use crate::error::handler::Error;
    use crate::error::redact::without_value;
    use crate::error::reject::Reject;

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
        assert_eq!(reject.body(), "Internal Server Error");
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
