//! The errors of a handler as its response.

use axum::body::Body;
use axum::response::{IntoResponse, Response};

use crate::error::{Error, LayerError, NameError, Reject};
use crate::web::error_response::error_response;

/// A rejection as a page: its status and its reason.
impl IntoResponse for Reject {
    fn into_response(self) -> Response {
        error_response(&self).map(Body::new)
    }
}

/// The error as a [`Reject`]: 404 for a name that is not valid, 503 if the layer cannot take the message now, otherwise 500. The
/// error is logged and not sent to the client.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Reject::from(self).into_response()
    }
}

/// The error as a [`Reject`]: 404 for a name that is not valid, 503 if the layer cannot take the message now, otherwise 500. The
/// error is logged and not sent to the client.
impl IntoResponse for LayerError {
    fn into_response(self) -> Response {
        Reject::from(self).into_response()
    }
}

/// 404. The error is logged and not sent to the client.
impl IntoResponse for NameError {
    fn into_response(self) -> Response {
        Reject::from(self).into_response()
    }
}
