//! `axum::Json` in a consumer, and [`Json`] in a handler of axum: in one file, either name fits both.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};

use crate::error::{FrameError, Result};
use crate::websocket::{EncodedFrame, Frame, FromFrame, FromJson, IntoFrame, Json, ToJson};

/// As [`Json`].
#[diagnostic::do_not_recommend]
impl<T: ToJson> IntoFrame for axum::Json<T> {
    fn into_frame(self) -> Result<Option<Frame>> {
        Json(self.0).into_frame()
    }

    fn into_encoded(self) -> Result<Option<EncodedFrame>> {
        Json(self.0).into_encoded()
    }
}

/// As [`Json`].
#[diagnostic::do_not_recommend]
impl<T: FromJson> FromFrame for axum::Json<T> {
    fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        Json::from_frame(frame).map(|Json(value)| Self(value))
    }
}

/// As `axum::Json`.
impl<T: ToJson> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// As `axum::Json`.
impl<S: Send + Sync, T: FromJson> FromRequest<S> for Json<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        axum::Json::from_request(request, state).await.map(|axum::Json(value)| Self(value))
    }
}
