//! The rejection of a handshake.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::error::handler::{AnyError, Error, Holds};
use crate::error::layer::LayerError;
use crate::support::LONGEST;

/// The rejection of a connection by `#[connect]`: the HTTP status and the body of the response. Default status: 403.
///
/// `?` converts every [`std::error::Error`] into a rejection. The error is logged and not sent to the client:
///
/// | error | status | log |
/// | --- | --- | --- |
/// | the [name](crate::error::NameError) of a group or a channel is not valid; usually it contains a part of the path | 404 | `debug` |
/// | a client's ticket is refused (`TicketError`, feature `jwt`) | 401, or 403 for another group or user | `debug` |
/// | the channel layer [cannot be reached](LayerError::Unavailable), or a channel [is full](LayerError::ChannelFull) | 503 | `error` |
/// | any other | 500 | `error` |
///
/// The error may also be the cause of another one ([`source`](std::error::Error::source)).
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
    /// Rejects with this status: 400 to 499 if the client must change something, 500 to 599 if the server must.
    ///
    /// Any other number is a mistake in the program: the client gets 500, and the log names the number (`error`).
    pub fn new(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(known) if (400..600).contains(&status) => {
                Self { status: known, reason: None, retry_after: None, source: None }
            }
            _ => Error::from(WrongStatus(status)).into(),
        }
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
        self.retry_after = Some(delay.min(LONGEST));
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

    /// Returns the error that `?` converted into this rejection, for the log.
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

/// Converts every [`std::error::Error`] that may be sent between threads.
impl<E> From<E> for Reject
where
    AnyError: Holds<E>,
{
    fn from(error: E) -> Self {
        Error::from(error).into()
    }
}

impl From<Error> for Reject {
    fn from(error: Error) -> Self {
        #[cfg(feature = "jwt")]
        if let Some(refused) = error.refused_ticket() {
            return Self { source: Some(error), ..Self::new(refused.status()).reason(refused.to_string()) };
        }
        let is_unavailable = |cause: &(dyn StdError + 'static)| {
            matches!(cause.downcast_ref(), Some(LayerError::Unavailable { .. } | LayerError::ChannelFull { .. }))
        };
        let (status, reason) = if error.is_about_name() {
            // A client can send any path, so this is not an error of the program.
            (StatusCode::NOT_FOUND, Some("a name in this request is not valid".into()))
        } else if error.chain().any(is_unavailable) {
            // Neither is an error of the program, and the client may try again.
            (StatusCode::SERVICE_UNAVAILABLE, None)
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, None)
        };
        Self { status, reason, retry_after: None, source: Some(error) }
    }
}

/// A number that is not the status of a rejection.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the status of a rejection; write a status from 400 to 599, such as `Reject::new(403)`")]
struct WrongStatus(u16);

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
    use crate::name::GroupName;

    #[test]
    fn status_that_does_not_reject_is_error_that_names_it() {
        for status in [0, 7, 200, 302, 399, 600, 999, 1000] {
            let reject = Reject::new(status);
            let error = reject.source().expect("an error").to_string();
            assert_eq!(reject.status(), 500, "{status}");
            assert!(error.starts_with(&format!("{status} is not the status of a rejection")), "{error}");
        }
        for status in [400, 429, 499, 500, 599] {
            let reject = Reject::new(status);
            assert_eq!((reject.status(), reject.source().is_some()), (status, false));
        }
    }

    #[test]
    fn invalid_name_is_404_and_unreachable_layer_is_503() {
        #[derive(Debug, thiserror::Error)]
        #[error("the room cannot be joined")]
        struct Joining(#[source] LayerError);

        let name = || GroupName::new("no room").unwrap_err();
        let unavailable = LayerError::Unavailable { server: None, action: "a read", source: "closed".into() };
        for (reject, wanted) in [
            (Reject::from(name()), 404),
            (Reject::from(LayerError::from(name())), 404),
            (Reject::from(Joining(name().into())), 404),
            (Reject::from(Joining(unavailable)), 503),
            (Reject::from(LayerError::ChannelFull { channel: "no room".into(), capacity: 100 }), 503),
            (Reject::from(Joining(LayerError::Closed)), 500),
        ] {
            assert_eq!(reject.status(), wanted, "{reject:?}");
            assert!(!reject.body().contains("no room") && reject.source().is_some(), "{reject:?}");
        }
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
