//! WebSocket frames (RFC 6455): encoding, decoding, close codes and conversions.

mod agreement;
mod close_code;
mod close_frame;
mod compressed_message;
#[cfg(feature = "deflate")]
mod compression;
#[cfg(not(feature = "deflate"))]
#[path = "compression_disabled.rs"]
mod compression;
#[cfg_attr(not(feature = "deflate"), expect(dead_code, reason = "nothing is counted"))]
mod compression_stats;
mod convert;
mod decode;
#[cfg(feature = "deflate")]
mod deflate;
mod encode;
mod frame;
#[cfg(feature = "deflate")]
mod negotiation;
mod protocol_error;
mod window;

pub(crate) use agreement::Agreement;
pub use close_code::CloseCode;
pub(crate) use compressed_message::{CompressedMessage, InflatedMessage};
pub(crate) use compression::{Compression, Compressor};
pub use compression_stats::CompressionStats;
pub use convert::{FromFrame, FromJson, IntoFrame, Json, Text, ToJson};
pub(crate) use decode::{ClientMessage, Decoder, MessageRules};
pub use encode::EncodedFrame;
pub(crate) use encode::{PING, with_frame, with_json};
pub use frame::Frame;
pub(crate) use protocol_error::ProtocolError;
pub(crate) use window::Window;
