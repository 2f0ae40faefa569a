//! The errors of calls to a backend.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;

use crate::backend::url::UrlError;

/// The reason why a call to a backend failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The application has no backend.
    #[error("the application has no backend; write `Channels::builder().backend(Backend::new(\"http://..\")?)`")]
    NotConfigured,
    /// The path is not one.
    #[error("the path of a call is wrong")]
    Path(#[source] UrlError),
    /// The body cannot be encoded as JSON.
    #[error("the body of a call cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// Too many calls wait. The call was not sent.
    #[error("{waiting} calls wait for the backend, so this one was not sent; send later, or raise `Backend::queue`")]
    QueueFull {
        /// The number of waiting calls.
        waiting: usize,
    },
    /// The backend refused the call with a status of 300 to 499. It is not sent again.
    #[error("the backend refused the call with {status}")]
    Refused {
        /// The status of the response.
        status: u16,
        /// The body of the response, which may contain the backend's reason. Empty if it is larger than 64 KiB.
        body: Bytes,
    },
    /// The backend did not answer, or answered with a status from 500, in all attempts. It may have executed the call.
    #[error("the backend did not take the call in {attempts} attempts")]
    Unavailable {
        /// The number of attempts.
        attempts: u32,
        /// The problem of the last attempt.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The backend took the call, with a status of 200 to 299, but its reply is too large. The call is not sent again.
    #[error("the backend took the call with {status}, but its reply is larger than 64 KiB")]
    TooLarge {
        /// The status of the response.
        status: u16,
    },
    /// The body of the response does not fit the reply.
    #[error("the reply of the backend does not fit `{reply}`, at `{path}`")]
    Reply {
        /// The type of the reply.
        reply: &'static str,
        /// The place in the JSON.
        path: String,
    },
}

/// Without the body of a response, which may contain secrets.
impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendError({self})")
    }
}

/// A status from 500.
#[derive(Debug, thiserror::Error)]
#[error("it answered {0}")]
pub(super) struct ServerError(pub(super) u16);
