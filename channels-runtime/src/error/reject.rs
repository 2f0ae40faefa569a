//! The rejection of a handshake.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::error::handler::{Error, IntoError};
use crate::error::layer::LayerError;

/// The rejection of a connection by `#[connect]`: the HTTP status and the body of the response. Default status: 403.
///
/// `?` converts every [`std::error::Error`] into a rejection with status 500, or 503 if the channel layer cannot be reached.
/// The error is logged and not sent to the client.
///
/// ```
/// use channels_runtime::Reject;
///
/// assert_eq!(Reject::forbidden().status(), 403);
/// assert_eq!(Reject::not_found().reason("no such room").body(), "no such room");
/// ```
#[must_use = "return it as `Err(..)`"]
pub struct Reject {
    status: StatusCode,
    reason: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Error>,
}

impl Reject {
    /// Rejects with this status. A status below 400, which is not an error, becomes 403.
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 400);
        Self { status: status.unwrap_or(StatusCode::FORBIDDEN), reason: None, retry_after: None, source: None }
    }

    /// Rejects with 401 Unauthorized: the client must log in.
    pub fn unauthorized() -> Self {
        Self::new(401)
    }

    /// Rejects with 403 Forbidden.
    pub fn forbidden() -> Self {
        Self::new(403)
    }

    /// Rejects with 404 Not Found.
    pub fn not_found() -> Self {
        Self::new(404)
    }

    /// Sets the body of the response: a sentence for the client. Default: the name of the status.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets the time after which the client may try again: the header `Retry-After`, in whole seconds, at least one. Browsers
    /// do not show this header to a page's script.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Returns the status of the response.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns the body of the response: the reason, or the name of the status.
    pub fn body(&self) -> &str {
        self.reason.as_deref().or(self.status.canonical_reason()).unwrap_or("rejected")
    }

    /// Returns the error that caused a 500 or 503, for the log.
    pub fn source(&self) -> Option<&Error> {
        self.source.as_ref()
    }

    /// Returns the time after which the client may try again.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.retry_after
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
        // An unreachable Redis is not an error of the program, and the client may try again.
        let status = match error.downcast_ref() {
            Some(LayerError::Unavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, reason: None, retry_after: None, source: Some(error) }
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reject({} {:?}", self.status.as_u16(), self.body())?;
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
    fn reject_with_success_status_becomes_403() {
        assert_eq!(Reject::new(200).status(), 403);
        assert_eq!(Reject::new(7).status(), 403);
        assert_eq!(Reject::new(429).status(), 429);
    }

    #[test]
    fn error_in_connect_is_500_without_details() {
        fn connect() -> Result<(), Reject> {
            Err(std::io::Error::other("secret"))?;
            Ok(())
        }
        let reject = connect().unwrap_err();
        assert_eq!(reject.status(), 500);
        assert_eq!(reject.body(), "Internal Server Error");
        assert!(reject.source().unwrap().to_string().contains("secret"));
    }
}
