//! Errors between a consumer and its client.

use crate::error::codec::{EncodeError, at, field_path, is_field};

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

/// Whether a [`Frame`](crate::Frame) is text or binary.
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
