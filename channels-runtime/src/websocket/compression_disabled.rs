//! The types of `compression` for builds without the feature `deflate`. They have no values, so nothing is compressed.

use std::sync::Arc;

use http::HeaderMap;

use crate::websocket::agreement::Agreement;
use crate::websocket::compressed_message::{CompressedMessage, InflatedMessage};
use crate::websocket::compression_stats::{CompressionCounters, CompressionStats};
use crate::websocket::encode::EncodedFrame;
use crate::websocket::protocol_error::ProtocolError;

/// The compression of an application.
#[derive(Debug)]
pub(crate) enum Compression {}

impl Compression {
    pub(crate) fn new(_from: usize) -> Option<Arc<Self>> {
        None
    }

    pub(crate) fn counters(&self) -> &CompressionCounters {
        match *self {}
    }

    pub(crate) fn stats(&self) -> CompressionStats {
        match *self {}
    }

    pub(crate) fn negotiate(&self, _headers: &HeaderMap) -> Option<Agreement> {
        match *self {}
    }

    pub(crate) fn includes_reply(&self, _frame: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) fn with_compressed<R>(&self, _frame: &[u8], _use_bytes: impl FnOnce(Option<&[u8]>) -> R) -> R {
        match *self {}
    }

    pub(crate) fn inflate(&self, _message: &CompressedMessage, _max: usize) -> Result<InflatedMessage, ProtocolError> {
        match *self {}
    }
}

/// Compresses the frames of one message.
#[derive(Debug, Clone)]
pub(crate) struct Compressor(Arc<Compression>);

impl Compressor {
    pub(crate) fn new(compression: Arc<Compression>, _are_many: bool) -> Self {
        Self(compression)
    }

    pub(crate) fn compress(&self, _frame: EncodedFrame) -> EncodedFrame {
        match *self.0 {}
    }
}
