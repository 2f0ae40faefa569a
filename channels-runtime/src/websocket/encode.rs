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
use crate::websocket::window::Window;

/// The largest payload of a control frame (RFC 6455, section 5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// A ping frame without a payload. Any bytes from the client count as its answer.
pub(crate) const PING: [u8; 2] = [0x89, 0];

/// An encoded frame with its header. All clients that receive the frame share its bytes.
#[derive(Clone)]
pub struct EncodedFrame {
    /// The plain form, followed by the compressed form if there is one.
    bytes: Arc<[u8]>,
    /// The length of the compressed form.
    compressed: u32,
}

/// The length of the longest header of a server's frame.
const MAX_HEADER: usize = 10;

/// The largest number of times that the plain form may exceed the compressed form that a client counts. Both are in memory while
/// the frame waits for the client.
const MAX_RATIO: usize = 8;

/// Encodes `value` as JSON in a text frame, and passes the bytes to `use_bytes`.
///
/// The header depends on the length of the JSON. So the JSON is written after space for the longest header, and need not be
/// moved.
pub(crate) fn with_json<T: Serialize + ?Sized, R>(
    value: &T,
    use_bytes: impl FnOnce(&[u8]) -> R,
) -> Result<R, EncodeError> {
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

/// Returns the payload of an encoded frame.
#[cfg(feature = "deflate")]
pub(super) fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// Compresses the payload of an encoded data frame with `compress`, and passes the compressed frame to `use_frame`. `None` if
/// `compress` returns `false`.
#[cfg(feature = "deflate")]
pub(super) fn with_compressed_header<R>(
    frame: &[u8],
    compress: impl FnOnce(&[u8], &mut Vec<u8>) -> bool,
    use_frame: impl FnOnce(Option<&[u8]>) -> R,
) -> R {
    with_buffer(|bytes| {
        bytes.resize(MAX_HEADER, 0);
        if !compress(payload(frame), bytes) {
            return use_frame(None);
        }
        let length = (bytes.len() - MAX_HEADER) as u64;
        let opcode = if frame[0] & 0x0f == 1 { Data::Text } else { Data::Binary };
        let header = FrameHeader { opcode: OpCode::Data(opcode), rsv1: true, ..FrameHeader::default() };
        let start = MAX_HEADER - header.len(length);
        header.format(length, &mut &mut bytes[start..MAX_HEADER]).expect("the header fits into its space");
        use_frame(Some(&bytes[start..]))
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
        Self { bytes: frame.into(), compressed: 0 }
    }

    /// Copies the two forms of a frame.
    #[cfg(feature = "deflate")]
    pub(super) fn with_compressed(plain: &[u8], compressed: &[u8]) -> Self {
        match u32::try_from(compressed.len()) {
            Ok(length) => Self { bytes: [plain, compressed].concat().into(), compressed: length },
            Err(_) => Self::copied(plain),
        }
    }

    /// Concatenates frames.
    pub(crate) fn joined(frames: &[&Self]) -> Self {
        with_buffer(|bytes| {
            for frame in frames {
                bytes.extend_from_slice(frame.plain());
            }
            let plain = bytes.len();
            if frames.iter().any(|frame| frame.compressed > 0) {
                for frame in frames {
                    bytes.extend_from_slice(frame.compressed().unwrap_or(frame.plain()));
                }
            }
            match u32::try_from(bytes.len() - plain) {
                Ok(compressed) => Self { bytes: (&**bytes).into(), compressed },
                Err(_) => Self::copied(&bytes[..plain]),
            }
        })
    }

    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::encode(OpCode::Control(Control::Pong), payload)
    }

    pub(super) fn encode(opcode: OpCode, payload: &[u8]) -> Self {
        with_header(opcode, payload, Self::copied)
    }

    /// Returns the plain form.
    #[inline]
    pub(crate) fn plain(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - self.compressed as usize]
    }

    /// Returns the compressed form, if there is one.
    #[inline]
    pub(crate) fn compressed(&self) -> Option<&[u8]> {
        (self.compressed > 0).then(|| &self.bytes[self.bytes.len() - self.compressed as usize..])
    }

    /// Returns the form for a client with this window.
    ///
    /// If frames are joined, the compressed form is for windows that hold all of them together.
    #[inline]
    pub(crate) fn for_window(&self, window: Window) -> &[u8] {
        match self.compressed() {
            Some(compressed) if window.holds(self.plain().len()) => compressed,
            _ => self.plain(),
        }
    }

    /// Returns the number of bytes for which the frame counts while it waits for a client with this window.
    #[inline]
    pub(crate) fn weight(&self, window: Window) -> usize {
        let sent = self.for_window(window).len();
        if self.compressed == 0 { sent } else { sent.max(self.plain().len() / MAX_RATIO) }
    }
}

impl fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedFrame({} bytes, {} compressed)", self.plain().len(), self.compressed)
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
            assert_eq!(framed.plain(), frame.plain(), "{size} characters");
        }
    }
}
