//! Errors between a consumer and its client.

use crate::error::codec::{EncodeError, at, field_path, is_field};
use crate::error::reference::Reference;

/// The reason why a message could not be sent to the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// The consumer runs in a worker.
    #[error(
        "a worker has no client; send to a channel with `cx.send_event(..)` or to a group with `cx.group_send(..)`"
    )]
    NoClient,
    /// The value could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The reason why a client's frame does not fit `#[receive]`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is binary instead of text, or text instead of binary.
    #[error("expected a {expected} frame, got a {got} frame")]
    Kind {
        /// The expected kind.
        expected: FrameKind,
        /// The kind of the frame.
        got: FrameKind,
    },
    /// The text is not the expected JSON.
    #[error("the frame is not the expected JSON{at}: {source}", at = at(.path))]
    Json {
        /// The position in the JSON: `user.name`, or empty for the whole.
        path: String,
        /// The error of the parser.
        source: serde_json::Error,
    },
}

impl FrameError {
    pub(crate) fn json(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = field_path(error.path(), &error.inner().to_string());
        Self::Json { path, source: error.into_inner() }
    }
}

/// The reason why a client's frame is not a command of its consumer. Such a frame never reaches a command method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The frame does not name a command.
    #[error("the frame does not name a command: expected a JSON object with the field `{tag}`")]
    NoCommand {
        /// The field that names the command.
        tag: &'static str,
        /// The reference in the frame, if the consumer has commands that answer.
        reference: Option<Reference>,
    },
    /// The consumer has no command with the name in the frame.
    #[error("there is no command `{name}`")]
    Unknown {
        /// The name in the frame.
        name: String,
        /// The consumer's commands.
        commands: &'static [&'static str],
        /// The reference in the frame, if the consumer has commands that answer.
        reference: Option<Reference>,
    },
    /// The fields do not fit the command.
    #[error("command `{name}` is malformed{at}: {source}", at = at(.path))]
    Malformed {
        /// The command.
        name: &'static str,
        /// The position in the JSON: `user.name`, or empty for the whole.
        path: String,
        /// The error of the parser.
        source: serde_json::Error,
        /// The reference in the frame, if the consumer has commands that answer.
        reference: Option<Reference>,
    },
    /// The frame does not fit `#[receive]`.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The consumer has no `#[receive]`, so it ignores its client's frames.
    #[error("this consumer does not take frames from its client")]
    NotListening,
}

impl CommandError {
    /// Returns the `code` in the error response: a short word for programs.
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

    /// Returns the text for the log. It lists the commands of the consumer. The text for the client does not, because any client
    /// can send an unknown command.
    pub(crate) fn log_text(&self) -> String {
        match self {
            Self::Unknown { commands, .. } => format!("{self}; the commands are {}", list(commands)),
            other => other.to_string(),
        }
    }

    /// Returns the name in the frame, if it names a command.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Unknown { name, .. } => Some(name),
            Self::Malformed { name, .. } => Some(name),
            Self::NoCommand { .. } | Self::Frame(_) | Self::NotListening => None,
        }
    }

    /// Returns the reference in the frame, so that the client can recognise the response as the one to this command.
    ///
    /// `None` if the frame has no reference or an invalid one, and if no command of the consumer answers.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::NoCommand { reference, .. } | Self::Unknown { reference, .. } | Self::Malformed { reference, .. } => {
                reference.as_ref()
            }
            Self::Frame(_) | Self::NotListening => None,
        }
    }

    /// Returns the field that is wrong, such as `user.name`. Returns `None` if the frame as a whole is wrong.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Malformed { path, .. } | Self::Frame(FrameError::Json { path, .. }) => {
                Some(path.as_str()).filter(|path| is_field(path))
            }
            Self::NoCommand { tag, .. } => Some(tag),
            Self::Unknown { .. } | Self::Frame(FrameError::Kind { .. }) | Self::NotListening => None,
        }
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The kind of a [`Frame`](crate::Frame): text or binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// A text frame.
    Text,
    /// A binary frame.
    Binary,
}

impl std::fmt::Display for FrameKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Binary => "binary",
        })
    }
}
