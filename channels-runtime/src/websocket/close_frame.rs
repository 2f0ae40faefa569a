//! Close frames: written for a client, and read from one.

use tungstenite::protocol::frame::coding::{Control, OpCode};

use crate::websocket::close_code::CloseCode;
use crate::websocket::encode::{EncodedFrame, MAX_CONTROL};
use crate::websocket::protocol_error::{NOT_UTF8, ProtocolError, protocol_error};

impl EncodedFrame {
    /// Encodes a close frame. The reason is cut at 123 bytes, on a character boundary.
    pub(crate) fn close(code: CloseCode, reason: &str) -> Self {
        // These two codes mean that none was received. They are never sent (RFC 6455, section 7.4.1).
        if matches!(code, CloseCode::NO_STATUS | CloseCode::ABNORMAL) {
            return Self::encode(OpCode::Control(Control::Close), &[]);
        }
        let mut payload = code.as_u16().to_be_bytes().to_vec();
        let mut fits = reason.len().min(MAX_CONTROL - payload.len());
        while !reason.is_char_boundary(fits) {
            fits -= 1;
        }
        payload.extend_from_slice(&reason.as_bytes()[..fits]);
        Self::encode(OpCode::Control(Control::Close), &payload)
    }
}

/// Reads the code from the payload of a client's close frame. It is [`CloseCode::NO_STATUS`] if the payload is empty.
pub(super) fn close_code_in(body: &[u8]) -> Result<CloseCode, ProtocolError> {
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return if body.is_empty() { Ok(CloseCode::NO_STATUS) } else { Err(protocol_error("close code of one byte")) };
    };
    let code = CloseCode::new(u16::from_be_bytes(*code)).ok_or(protocol_error("close code that may not be sent"))?;
    std::str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_close_reason_is_cut_at_character() {
        let bytes = EncodedFrame::close(CloseCode::NORMAL, &"ä".repeat(100));
        let bytes = bytes.plain();
        assert_eq!(bytes[..2], [0x88, 124]);
        assert!(std::str::from_utf8(&bytes[4..]).is_ok());
        assert_eq!(EncodedFrame::close(CloseCode::NO_STATUS, "").plain(), [0x88, 0]);
    }
}
