//! The errors of a page's handler as its response.

use std::sync::LazyLock;

use warp::reply::{Reply, Response};

use crate::error::{Error, LayerError, NameError, Reject, shown_error};
use crate::support::LogLimit;
use crate::web::handshake::rejection;

/// Returns a rejection as the response of a page. Logs its error, because no consumer does.
pub(super) fn error_response(reject: &Reject) -> Response {
    static LOGS: LazyLock<LogLimit> = LazyLock::new(LogLimit::default);

    if let Some(error) = reject.source() {
        let (status, error) = (reject.status(), shown_error(error));
        if status < 500 {
            tracing::debug!(status, error, "a request was rejected");
        } else if LOGS.allows() {
            tracing::error!(status, error, "a request failed");
        }
    }
    rejection(reject)
}

/// A rejection as a page: its status and its reason.
impl Reply for Reject {
    fn into_response(self) -> Response {
        error_response(&self)
    }
}

/// The error as a [`Reject`]: 404 for a name that is not valid, 503 if the layer cannot take the message now, otherwise 500. The
/// error is logged and not sent to the client.
impl Reply for Error {
    fn into_response(self) -> Response {
        error_response(&self.into())
    }
}

/// The error as a [`Reject`]: 404 for a name that is not valid, 503 if the layer cannot take the message now, otherwise 500. The
/// error is logged and not sent to the client.
impl Reply for LayerError {
    fn into_response(self) -> Response {
        error_response(&self.into())
    }
}

/// 404. The error is logged and not sent to the client.
impl Reply for NameError {
    fn into_response(self) -> Response {
        error_response(&self.into())
    }
}
