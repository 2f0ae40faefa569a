//! A WebSocket message: text or binary.

use bytes::Bytes;
use serde::Serialize;

use crate::error::EncodeError;

/// One complete WebSocket message, from a client or to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text. A browser sends it for a string: `socket.send("…")`, `socket.send(JSON.stringify(…))`.
    Text(String),
    /// Binary data.
    Binary(Bytes),
}

impl Frame {
    /// Makes a text frame.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a binary frame.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Makes a text frame that holds `value` as JSON.
    ///
    /// # Errors
    /// If serde cannot write the value as JSON, for example a map whose keys are not strings.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        serde_json::to_string(value).map(Self::Text).map_err(EncodeError::new)
    }
}
