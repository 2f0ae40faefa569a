//! What a client sends and is sent: text, binary, JSON, and the code that ends a connection.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{EncodeError, FrameError};
use crate::wire::Rendered;

/// One whole WebSocket message, from a client or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text: what a browser's `socket.send("…")` sends and `JSON.stringify` makes.
    Text(String),
    /// Bytes, passed on as they are.
    Binary(Bytes),
}

impl Frame {
    /// A text frame.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A binary frame.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// A text frame that holds `value` as JSON.
    ///
    /// # Errors
    /// When serde cannot write the value as JSON (a map whose keys are no strings, for example).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        serde_json::to_string(value).map(Self::Text).map_err(EncodeError::new)
    }
}

/// Whether a [`Frame`] is text or binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// A text frame.
    Text,
    /// A binary frame.
    Binary,
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Binary => "binary",
        })
    }
}

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
    fn into_rendered(self) -> Result<Option<Rendered>, EncodeError>
    where
        Self: Sized,
    {
        Ok(self.into_frame()?.as_ref().map(Rendered::new))
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

    fn into_rendered(self) -> Result<Option<Rendered>, EncodeError> {
        Rendered::json(&self.0).map(Some)
    }
}

impl<T: IntoFrame> IntoFrame for Option<T> {
    fn into_frame(self) -> Result<Option<Frame>, EncodeError> {
        self.map_or(Ok(None), T::into_frame)
    }

    fn into_rendered(self) -> Result<Option<Rendered>, EncodeError> {
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

/// Why a connection ended: the status code of a WebSocket close frame (RFC 6455, section 7.4).
///
/// An application's own codes are 4000 to 4999: `const KICKED: CloseCode = CloseCode::new(4001).unwrap();`
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: all is done.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the page was left, or the server goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the WebSocket protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a frame of a kind that is not taken here (binary where text is wanted).
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the close frame carried no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection was lost without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: text that is not UTF-8.
    pub const INVALID_TEXT: Self = Self(1007);
    /// 1008: not allowed.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message larger than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: a handler failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; come back.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: come back later; here: the client reads too slowly and its outbound queue is full.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 3000: who is this? Here: the login has ended ([`Login::until`](crate::Login::until)).
    pub const UNAUTHORIZED: Self = Self(3000);

    /// A code that may be sent in a close frame: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    ///
    /// `None` for every other number.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}
