//! What a client sends and is sent: text, binary, JSON, and the code that ends a connection.

use bytes::Bytes;
use serde::Serialize;

use crate::error::EncodeError;

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
