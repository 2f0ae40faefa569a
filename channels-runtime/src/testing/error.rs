//! Errors of the test client.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Error as ClientError;

use crate::testing::transcript::Transcript;
use crate::websocket::Frame;

/// A failed expectation of a test, with the actual result. Every variant names the call that failed.
///
/// `Debug`, which a test prints if it returns an error, writes the same as `Display`, and the cause.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CommunicatorError {
    /// The path cannot be the path of a URL.
    #[error("{call}: {problem}")]
    Path {
        /// The call.
        call: Call,
        /// The problem, and what to write instead.
        problem: String,
    },
    /// The handshake was rejected, or no route has this path.
    #[error("{call}: the connection was refused with status {status}: {}", explained(*status, body))]
    Refused {
        /// The call.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// The body of the response.
        body: String,
    },
    /// `connect` was not called, or did not succeed.
    #[error("{call}: the communicator is not connected; call `connect` first")]
    NotConnected {
        /// The call.
        call: Call,
    },
    /// Nothing arrived in time.
    #[error("{call}: nothing arrived within {waited:?}{transcript}")]
    Nothing {
        /// The call.
        call: Call,
        /// How long the client waited.
        waited: Duration,
        /// The frames before.
        transcript: Transcript,
    },
    /// No answer to a request arrived in time.
    #[error(
        "{call}: no answer arrived within {waited:?}; a command answers if its method returns a `Result` with a reply{transcript}"
    )]
    Unanswered {
        /// The call.
        call: Call,
        /// How long the client waited.
        waited: Duration,
        /// The frames before.
        transcript: Transcript,
    },
    /// The connection was closed instead.
    #[error("{call}: the connection was closed with code {code} and the reason {reason:?}{transcript}")]
    Closed {
        /// The call.
        call: Call,
        /// The code; 1005 if the close frame has none, 1006 if there was no close frame.
        code: u16,
        /// The reason.
        reason: String,
        /// The frames before.
        transcript: Transcript,
    },
    /// Something else arrived.
    #[error("{call}: expected {wanted}, got {arrived:?}{transcript}")]
    Unexpected {
        /// The call.
        call: Call,
        /// The expectation, in words.
        wanted: &'static str,
        /// The frame that arrived.
        arrived: Frame,
        /// The frames up to this one.
        transcript: Transcript,
    },
    /// The text that arrived is not the expected JSON.
    #[error("{call}: {text:?} is not the expected JSON{transcript}")]
    Json {
        /// The call.
        call: Call,
        /// The text that arrived.
        text: String,
        /// The error of the parser.
        source: serde_json::Error,
        /// The frames up to this one.
        transcript: Transcript,
    },
    /// After `disconnect`, the consumer does not end.
    #[error(
        "{call}: the connection did not end within {waited:?}: `#[disconnect]`, or the handler before it, does not return{transcript}"
    )]
    StillOpen {
        /// The call.
        call: Call,
        /// How long the client waited.
        waited: Duration,
        /// The frames before.
        transcript: Transcript,
    },
    /// The pipe broke.
    #[error("{call}: the connection broke")]
    Broken {
        /// The call.
        call: Call,
        /// The cause.
        source: Box<ClientError>,
    },
}

/// Returns the body of a refusal, or a sentence in its place: the response is empty if no route takes the request.
fn explained(status: u16, body: &str) -> &str {
    match status {
        _ if !body.is_empty() => body,
        404 => "no route of this communicator has this path; compare it with the route's `warp::path!(..)`",
        405 => "the route with this path does not take `GET`",
        _ => "the response has no body",
    }
}

/// A call of a communicator: the line in the test, and the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    client: Arc<str>,
    location: &'static Location<'static>,
}

impl Call {
    pub(super) fn new(client: Arc<str>, location: &'static Location<'static>) -> Self {
        Self { client, location }
    }

    /// Returns the line of the test.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// `tests/chat.rs:41:9: client `ann` (/ws/lobby)`
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: client {}", self.location, self.client)
    }
}

impl fmt::Debug for CommunicatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match std::error::Error::source(self) {
            Some(cause) => write!(f, "\ncaused by: {cause}"),
            None => Ok(()),
        }
    }
}
