//! WebSocket encoding (RFC 6455): from a message to the bytes of a frame.
//!
//! The crate tungstenite writes the headers. A server does not mask its frames, so all members of a group share the bytes of
//! one frame.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::error::EncodeError;
use crate::support::with_buffer;
use crate::websocket::frame::Frame;

/// The largest payload of a control frame (RFC 6455, section 5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// A ping frame without a payload. Any bytes from the client count as its answer.
pub(crate) const PING: [u8; 2] = [0x89, 0];

/// An encoded frame with its header. All clients that receive the frame share its bytes.
#[derive(Clone)]
pub struct EncodedFrame(Arc<[u8]>);

/// Encodes `value` as JSON in a text frame, and passes the bytes to `use_bytes`.
///
/// The header depends on the length of the JSON. So the JSON is written after space for the longest header, and need not be
/// moved.
pub(crate) fn with_json<T: Serialize + ?Sized, R>(
    value: &T,
    use_bytes: impl FnOnce(&[u8]) -> R,
) -> Result<R, EncodeError> {
    const MAX_HEADER: usize = 10;
    with_buffer(|bytes| {
        bytes.resize(MAX_HEADER, 0);
        serde_json::to_writer(&mut *bytes, value).map_err(EncodeError::new)?;
        let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
        let length = (bytes.len() - MAX_HEADER) as u64;
        let start = MAX_HEADER - header.len(length);
        header.format(length, &mut &mut bytes[start..MAX_HEADER]).expect("the header fits into its space");
        Ok(use_bytes(&bytes[start..]))
    })
}

/// Encodes a frame, and passes the bytes to `use_bytes`.
pub(crate) fn with_frame<R>(frame: &Frame, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
    match frame {
        Frame::Text(text) => with_header(OpCode::Data(Data::Text), text.as_bytes(), use_bytes),
        Frame::Binary(bytes) => with_header(OpCode::Data(Data::Binary), bytes, use_bytes),
    }
}

fn with_header<R>(opcode: OpCode, payload: &[u8], use_bytes: impl FnOnce(&[u8]) -> R) -> R {
    with_buffer(|bytes| {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut *bytes).expect("writing to a Vec does not fail");
        bytes.extend_from_slice(payload);
        use_bytes(bytes)
    })
}

impl EncodedFrame {
    pub(crate) fn new(frame: &Frame) -> Self {
        with_frame(frame, Self::copied)
    }

    /// Encodes `value` as JSON in a text frame.
    pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        with_json(value, Self::copied)
    }

    /// Copies the bytes of an encoded frame.
    pub(crate) fn copied(frame: &[u8]) -> Self {
        Self(frame.into())
    }

    /// Concatenates frames.
    pub(crate) fn joined(frames: &[&Self]) -> Self {
        with_buffer(|bytes| {
            for frame in frames {
                bytes.extend_from_slice(frame.as_bytes());
            }
            Self::copied(bytes)
        })
    }

    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::encode(OpCode::Control(Control::Pong), payload)
    }

    pub(super) fn encode(opcode: OpCode, payload: &[u8]) -> Self {
        with_header(opcode, payload, Self::copied)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedFrame({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_place_equals_encoded_frame() {
        for size in [0, 1, 123, 124, 70_000] {
            let text = "x".repeat(size);
            let framed = EncodedFrame::json(&text).unwrap();
            let frame = EncodedFrame::new(&Frame::json(&text).unwrap());
            assert_eq!(framed.as_bytes(), frame.as_bytes(), "{size} characters");
        }
    }
}
