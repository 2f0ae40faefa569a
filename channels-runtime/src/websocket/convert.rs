//! Conversions between frames and the values that handlers take and return.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, FrameError, FrameKind, Result};
use crate::websocket::encode::EncodedFrame;
use crate::websocket::frame::Frame;

/// A value that is JSON in a text frame: the argument of `#[receive]`, or the value that a handler sends to the client.
///
/// ```
/// use channels_runtime::{Frame, IntoFrame, Json};
/// let frame = Json(serde_json::json!({"message": "hi"})).into_frame().unwrap();
/// assert_eq!(frame, Some(Frame::text(r#"{"message":"hi"}"#)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

/// Types that can be sent to a client as JSON: those with serde's `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a client as JSON",
    label = "a value for a client implements `serde::Serialize`",
    note = "add `#[derive(serde::Serialize)]` to it, or to the type that it holds"
)]
pub trait ToJson: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> ToJson for T {}

/// Types that can be read from JSON: those with serde's `Deserialize` that do not borrow from the text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from JSON",
    label = "a value from a client implements `serde::Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to it, or to the type that it holds"
)]
pub trait FromJson: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromJson for T {}

/// Types that can be sent as text: `String`, `&str`, and others that convert into a `String`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not text",
    label = "not text",
    note = "`.to_string()` converts a value with `Display`; `send_json` sends any value as JSON, and `send_binary` sends bytes"
)]
pub trait Text: Into<String> {}

#[diagnostic::do_not_recommend]
impl<T: Into<String>> Text for T {}

/// Types that a handler without `self` may return: a frame for the client, or nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a client",
    label = "not a frame",
    note = "return `Json<T>`, `String`, `&'static str`, `Vec<u8>`, `Bytes`, `Frame`, or an `Option` or a `Result` of one of them"
)]
pub trait IntoFrame {
    /// Returns the frame, or `None` if nothing is sent to the client.
    ///
    /// # Errors
    /// If the value cannot be encoded, or is an `Err`. Nothing is sent; the error is logged and counted
    /// ([`LayerStats::failed`](crate::stats::LayerStats::failed)), and no connection ends.
    fn into_frame(self) -> Result<Option<Frame>>;

    /// Returns the encoded frame, or `None` as [`Self::into_frame`] does. A type may override this method to encode itself
    /// without a [`Frame`].
    #[doc(hidden)]
    fn into_encoded(self) -> Result<Option<EncodedFrame>>
    where
        Self: Sized,
    {
        Ok(self.into_frame()?.as_ref().map(EncodedFrame::new))
    }
}

impl IntoFrame for Frame {
    fn into_frame(self) -> Result<Option<Frame>> {
        Ok(Some(self))
    }
}

impl IntoFrame for String {
    fn into_frame(self) -> Result<Option<Frame>> {
        Ok(Some(Frame::Text(self)))
    }
}

impl IntoFrame for &'static str {
    fn into_frame(self) -> Result<Option<Frame>> {
        Ok(Some(Frame::text(self)))
    }
}

impl IntoFrame for Bytes {
    fn into_frame(self) -> Result<Option<Frame>> {
        Ok(Some(Frame::Binary(self)))
    }
}

impl IntoFrame for Vec<u8> {
    fn into_frame(self) -> Result<Option<Frame>> {
        Ok(Some(Frame::binary(self)))
    }
}

impl<T: ToJson> IntoFrame for Json<T> {
    fn into_frame(self) -> Result<Option<Frame>> {
        Ok(Some(Frame::json(&self.0)?))
    }

    fn into_encoded(self) -> Result<Option<EncodedFrame>> {
        Ok(Some(EncodedFrame::json(&self.0)?))
    }
}

impl<T: IntoFrame> IntoFrame for Option<T> {
    fn into_frame(self) -> Result<Option<Frame>> {
        self.map_or(Ok(None), T::into_frame)
    }

    fn into_encoded(self) -> Result<Option<EncodedFrame>> {
        self.map_or(Ok(None), T::into_encoded)
    }
}

impl<T: IntoFrame, E: Into<Error>> IntoFrame for Result<T, E> {
    fn into_frame(self) -> Result<Option<Frame>> {
        self.map_err(Into::into)?.into_frame()
    }

    fn into_encoded(self) -> Result<Option<EncodedFrame>> {
        self.map_err(Into::into)?.into_encoded()
    }
}

/// Types that a `#[receive]` method may take as its last argument.
///
/// A frame of the wrong kind (binary where text is expected) closes the connection with 1003. If a text frame does not hold the
/// expected JSON, the client receives an error frame, and the connection stays open.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a client's frame",
    label = "not a type that a client sends",
    note = "take `Json<T>` (with `T: Deserialize`), `String` for text, `Bytes` or `Vec<u8>` for binary, or `Frame` for both"
)]
pub trait FromFrame: Sized {
    /// Reads the value from a frame.
    ///
    /// # Errors
    /// If the frame is of the wrong kind, or does not hold such a value.
    fn from_frame(frame: Frame) -> Result<Self, FrameError>;
}

impl FromFrame for Frame {
    fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        Ok(frame)
    }
}

impl FromFrame for String {
    fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        match frame {
            Frame::Text(text) => Ok(text),
            Frame::Binary(_) => Err(FrameError::Kind { expected: FrameKind::Text, got: FrameKind::Binary }),
        }
    }
}

impl FromFrame for Bytes {
    fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        match frame {
            Frame::Binary(bytes) => Ok(bytes),
            Frame::Text(_) => Err(FrameError::Kind { expected: FrameKind::Binary, got: FrameKind::Text }),
        }
    }
}

impl FromFrame for Vec<u8> {
    fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        Bytes::from_frame(frame).map(Self::from)
    }
}

impl<T: FromJson> FromFrame for Json<T> {
    fn from_frame(frame: Frame) -> Result<Self, FrameError> {
        let text = String::from_frame(frame)?;
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(json_error::<T>(&text, error)),
        }
    }
}

/// Finds the path of an error. Tracking the path costs time, so only a second pass does it, after the first pass has failed.
#[cold]
fn json_error<T: DeserializeOwned>(text: &str, error: serde_json::Error) -> FrameError {
    let mut json = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) => FrameError::json(error),
        // The value is valid, but other text follows it.
        Ok(_) => FrameError::Json { path: String::new(), source: error },
    }
}
