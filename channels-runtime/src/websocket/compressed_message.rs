//! A client's compressed message, before and after inflating.

use crate::websocket::frame::Frame;
use crate::websocket::protocol_error::{NOT_UTF8, ProtocolError};

/// The number of blocks that each message may have without charge. An ordinary one has a block of data and an empty one.
const FREE_BLOCKS: usize = 4;

/// The cost of a further block, in bytes. A block of 11 bytes takes 0.3 µs and may be empty, so a message of 1 MiB could occupy a
/// processor for 30 ms. An ordinary block holds at least as many bytes.
const BLOCK_COST: usize = 4 * 1024;

/// A complete message of a client that is compressed.
#[derive(Debug, PartialEq)]
pub(crate) struct CompressedMessage {
    pub(super) is_text: bool,
    pub(super) bytes: Vec<u8>,
}

impl CompressedMessage {
    /// Returns the number of compressed bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A message of a client that was compressed.
#[derive(Debug)]
pub(crate) struct InflatedMessage {
    pub(crate) frame: Frame,
    /// The bytes for which the message counts against the client's rate, in addition to the bytes that were read.
    pub(crate) cost: usize,
}

impl InflatedMessage {
    /// Makes the message of inflated bytes.
    ///
    /// # Errors
    /// If they are not the text that they should be.
    #[cfg_attr(not(feature = "deflate"), expect(dead_code, reason = "no message is inflated"))]
    pub(super) fn new(is_text: bool, bytes: Vec<u8>, blocks: usize) -> Result<Self, ProtocolError> {
        let excess = blocks.saturating_sub(FREE_BLOCKS + bytes.len() / BLOCK_COST);
        let cost = bytes.len().saturating_add(excess.saturating_mul(BLOCK_COST));
        let frame = if is_text {
            Frame::Text(String::from_utf8(bytes).map_err(|_| NOT_UTF8)?)
        } else {
            Frame::Binary(bytes.into())
        };
        Ok(Self { frame, cost })
    }
}
