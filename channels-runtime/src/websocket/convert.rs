//! Conversions between frames and the values that handlers take and return.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{EncodeError, FrameError, FrameKind};
use crate::websocket::encode::EncodedFrame;
use crate::websocket::frame::Frame;

/// A value that travels as JSON in a text frame: the argument of a `#[receive]`, or what a handler gives the client.
///
/// ```
/// use channels_runtime::{Frame, IntoFrame, Json};
/// let frame = Json(serde_json::json!({"message": "hi"})).into_frame().unwrap();
/// assert_eq!(frame, Some(Frame::text(r#"{"message":"hi"}"#)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

/// What can be sent to a client as JSON: whatever has serde's `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a client as JSON",
    label = "what is sent implements `serde::Serialize`",
    note = "add `#[derive(serde::Serialize)]` to it, or to what it holds"
)]
pub trait ToJson: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> ToJson for T {}

/// What can be read from JSON: whatever has serde's `Deserialize`, and borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from JSON",
    label = "what is read implements `serde::Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to it, or to what it holds"
)]
pub trait FromJson: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromJson for T {}

/// What can be sent as text: `String`, `&str`, and whatever else becomes a `String`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not text",
    label = "not text",
    note = "`.to_string()` makes text of what can be displayed; any value is sent as JSON by `send_json`, bytes by `send_binary`"
)]
pub trait Text: Into<String> {}

#[diagnostic::do_not_recommend]
impl<T: Into<String>> Text for T {}

/// What a handler without `self` may return: something the client is sent, or nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a client",
    label = "this is no frame",
    note = "return `Json<T>`, `String`, `&'static str`, `Vec<u8>`, `Bytes`, `Frame`, or an `Option` of one of them"
)]
pub trait IntoFrame {
    /// The frame, or `None` if the client is to be sent nothing.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    fn into_frame(self) -> Result<Option<Frame>, EncodeError>;

    /// The frame as it is written to sockets. A shortcut, for what need not become a [`Frame`] first.
    #[doc(hidden)]
    fn into_rendered(self) -> Result<Option<EncodedFrame>, EncodeError>
    where
        Self: Sized,
    {
        Ok(self.into_frame()?.as_ref().map(EncodedFrame::new))
    }
}

impl IntoFrame for Frame {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        Ok(Some(self))
    }
}

impl IntoFrame for String {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        Ok(Some(Frame::Text(self)))
    }
}

impl IntoFrame for &'static str {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        Ok(Some(Frame::text(self)))
    }
}

impl IntoFrame for Bytes {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        Ok(Some(Frame::Binary(self)))
    }
}

impl IntoFrame for Vec<u8> {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        Ok(Some(Frame::binary(self)))
    }
}

impl<T: ToJson> IntoFrame for Json<T> {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        Frame::json(&self.0).map(Some)
    }

    fn into_rendered(self) -> Result<Option<EncodedFrame>, EncodeError> {
        EncodedFrame::json(&self.0).map(Some)
    }
}

impl<T: IntoFrame> IntoFrame for Option<T> {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        self.map_or(Ok(None), T::into_frame)
    }

    fn into_rendered(self) -> Result<Option<EncodedFrame>, EncodeError> {
        self.map_or(Ok(None), T::into_rendered)
    }
}

/// What a `#[receive]` method may take as its last argument.
///
/// A frame of the wrong kind (binary where text is wanted) closes the connection with 1003; text that is not the JSON
/// it should be is answered with an error frame, and the connection lives on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a client's frame",
    label = "not something that a client sends",
    note = "take `Json<T>` (with `T: Deserialize`), `String` for text, `Bytes` or `Vec<u8>` for binary, or `Frame` for both"
)]
pub trait FromFrame: Sized {
    /// Reads the frame.
    ///
    /// # Errors
    /// When it is of the wrong kind or does not hold such a value.
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
            Err(error) => Err(where_in_json::<T>(&text, error)),
        }
    }
}

/// The path costs something, so it is only tracked in a second reading, when the first has failed.
#[cold]
fn where_in_json<T: DeserializeOwned>(text: &str, error: serde_json::Error) -> FrameError {
    let mut json = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) => FrameError::json(error),
        // A value with something behind it.
        Ok(_) => FrameError::Json { path: String::new(), source: error },
    }
}
