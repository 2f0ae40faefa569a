//! The rejection of a handshake.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::error::handler::{Error, IntoError};
use crate::error::layer::LayerError;

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
