//! WebSocket frames (RFC 6455): encoding, decoding, close codes and conversions.

mod close_code;
mod close_frame;
mod convert;
mod decode;
mod encode;
mod frame;
mod protocol_error;

pub use close_code::CloseCode;
pub use convert::{FromFrame, FromJson, IntoFrame, Json, Text, ToJson};
pub(crate) use decode::{ClientMessage, Decoder};
pub use encode::EncodedFrame;
pub(crate) use encode::{PING, with_frame, with_json};
pub use frame::Frame;
pub(crate) use protocol_error::ProtocolError;
