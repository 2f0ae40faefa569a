//! WebSocket encoding (RFC 6455): messages to the bytes of a frame.
//!
//! tungstenite writes the headers. A server's frames are not masked, so all members of a group share the bytes of one frame.

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

/// A ping without a payload. Any bytes from the client answer it.
pub(crate) const PING: [u8; 2] = [0x89, 0];

/// An encoded frame with its header. It is encoded once, and shared by all clients that receive it.
#[derive(Clone)]
pub struct EncodedFrame(Arc<[u8]>);

/// Encodes `value` as JSON in a text frame, and passes the bytes to `use_it`. The value is written after space for the longest
/// header, so it is not copied.
pub(crate) fn with_json<T: Serialize + ?Sized, R>(
    value: &T,
    use_it: impl FnOnce(&[u8]) -> R,
) -> Result<R, EncodeError> {
    const ROOM: usize = 10;
    with_buffer(|bytes| {
        bytes.resize(ROOM, 0);
        serde_json::to_writer(&mut *bytes, value).map_err(EncodeError::new)?;
        let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
        let length = (bytes.len() - ROOM) as u64;
        let start = ROOM - header.len(length);
        header.format(length, &mut &mut bytes[start..ROOM]).expect("the header fits into its space");
        Ok(use_it(&bytes[start..]))
    })
}

/// Encodes a frame, and passes the bytes to `use_it`.
pub(crate) fn with_frame<R>(frame: &Frame, use_it: impl FnOnce(&[u8]) -> R) -> R {
    match frame {
        Frame::Text(text) => with_header(OpCode::Data(Data::Text), text.as_bytes(), use_it),
        Frame::Binary(bytes) => with_header(OpCode::Data(Data::Binary), bytes, use_it),
    }
}

fn with_header<R>(opcode: OpCode, payload: &[u8], use_it: impl FnOnce(&[u8]) -> R) -> R {
    with_buffer(|bytes| {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut *bytes).expect("writing to a Vec does not fail");
        bytes.extend_from_slice(payload);
        use_it(bytes)
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

    /// Joins several frames, one after the other.
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
