//! The scripts and styles of the examples.

use warp::http::Response;
use warp::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// Returns a file of this type.
pub(crate) fn file(kind: &'static str, text: &'static str) -> Response<String> {
    let response = Response::builder().header(CONTENT_TYPE, format!("{kind}; charset=utf-8"));
    response.header(X_CONTENT_TYPE_OPTIONS, "nosniff").body(text.into()).expect("the headers are legal")
}
