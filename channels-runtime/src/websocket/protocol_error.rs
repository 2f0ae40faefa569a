//! A breach of the protocol or of a limit by the client.

use crate::websocket::close_code::CloseCode;

/// The client broke the protocol or exceeded a limit. Code and reason are those of the close frame that it receives.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct ProtocolError {
    pub(crate) code: CloseCode,
    pub(crate) reason: &'static str,
}

pub(super) const fn protocol_error(reason: &'static str) -> ProtocolError {
    ProtocolError { code: CloseCode::PROTOCOL, reason }
}

pub(super) const NOT_UTF8: ProtocolError = ProtocolError { code: CloseCode::INVALID_TEXT, reason: "text is not UTF-8" };

pub(super) const TOO_BIG: ProtocolError = ProtocolError { code: CloseCode::TOO_BIG, reason: "message too big" };

#[cfg(feature = "deflate")]
pub(super) const NOT_INFLATABLE: ProtocolError =
    ProtocolError { code: CloseCode::INVALID_TEXT, reason: "message cannot be inflated" };
