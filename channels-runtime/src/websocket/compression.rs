//! `permessage-deflate` (RFC 7692): a message is compressed once, and all clients share its compressed form.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::HeaderMap;

use crate::support::count;
use crate::websocket::agreement::Agreement;
use crate::websocket::compressed_message::{CompressedMessage, InflatedMessage};
use crate::websocket::compression_stats::{CompressionCounters, CompressionStats};
use crate::websocket::deflate::{InflateError, deflate, inflate};
use crate::websocket::encode::{EncodedFrame, payload, with_compressed_header};
use crate::websocket::negotiation::{Negotiated, negotiate};
use crate::websocket::protocol_error::{NOT_INFLATABLE, ProtocolError, TOO_BIG};

/// The size from which a message to few clients is compressed, in bytes, unless the application's threshold is larger.
/// Compressing a smaller message takes longer than sending it plain to a few clients.
const FEW: usize = 1024;

/// The compression of an application.
#[derive(Debug)]
pub(crate) struct Compression {
    /// The size from which a message is compressed, in bytes.
    from: usize,
    counters: CompressionCounters,
}

impl Compression {
    /// Makes the compression of messages of at least this many bytes. `None` without the feature `deflate`.
    pub(crate) fn new(from: usize) -> Option<Arc<Self>> {
        Some(Arc::new(Self { from, counters: CompressionCounters::default() }))
    }

    pub(crate) fn counters(&self) -> &CompressionCounters {
        &self.counters
    }

    pub(crate) fn stats(&self) -> CompressionStats {
        self.counters.snapshot()
    }

    /// Returns the acceptable offer of a client, if it has one. Counts a client without one, but not yet one that has one.
    pub(crate) fn negotiate(&self, headers: &HeaderMap) -> Option<Agreement> {
        match negotiate(headers) {
            Negotiated::Accepted(agreement) => Some(agreement),
            Negotiated::NotOffered => None,
            Negotiated::Declined => {
                count(&self.counters.declined);
                None
            }
        }
    }

    /// Returns whether a frame to one client is large enough to be compressed.
    pub(crate) fn includes_reply(&self, frame: &[u8]) -> bool {
        payload(frame).len() >= self.from.max(FEW)
    }

    /// Compresses a frame, and passes the bytes to `use_bytes`. They are `None` if they are not fewer.
    pub(crate) fn with_compressed<R>(&self, frame: &[u8], use_bytes: impl FnOnce(Option<&[u8]>) -> R) -> R {
        with_compressed_header(frame, deflate, |compressed| {
            let counters = &self.counters;
            match compressed {
                Some(compressed) => {
                    count(&counters.compressed);
                    counters.plain_bytes.fetch_add(frame.len() as u64, Relaxed);
                    counters.compressed_bytes.fetch_add(compressed.len() as u64, Relaxed);
                }
                None => count(&counters.not_smaller),
            }
            use_bytes(compressed)
        })
    }

    /// Inflates a client's message of at most `max` bytes.
    pub(crate) fn inflate(&self, message: &CompressedMessage, max: usize) -> Result<InflatedMessage, ProtocolError> {
        let counters = &self.counters;
        let inflated = inflate(&message.bytes, max).map_err(|error| match error {
            InflateError::Invalid => {
                count(&counters.invalid);
                NOT_INFLATABLE
            }
            InflateError::TooBig => {
                count(&counters.too_big);
                TOO_BIG
            }
        })?;
        count(&counters.inflated);
        counters.inflated_bytes.fetch_add(inflated.bytes.len() as u64, Relaxed);
        InflatedMessage::new(message.is_text, inflated.bytes, inflated.blocks)
    }
}

/// Compresses the frames of one message, for the clients that inflate them.
#[derive(Debug, Clone)]
pub(crate) struct Compressor {
    compression: Arc<Compression>,
    /// The size from which the message is compressed, in bytes.
    from: usize,
}

impl Compressor {
    /// Makes a compressor for many clients or for a few.
    pub(crate) fn new(compression: Arc<Compression>, are_many: bool) -> Self {
        let from = if are_many { compression.from } else { compression.from.max(FEW) };
        Self { compression, from }
    }

    /// Adds the compressed form to a frame, if the frame is large enough and the form is smaller.
    pub(crate) fn compress(&self, frame: EncodedFrame) -> EncodedFrame {
        if payload(frame.plain()).len() < self.from {
            return frame;
        }
        let with_form = |compressed: &[u8]| EncodedFrame::with_compressed(frame.plain(), compressed);
        let compressed = self.compression.with_compressed(frame.plain(), |compressed| compressed.map(with_form));
        compressed.unwrap_or(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{ClientMessage, Decoder, Frame, MessageRules, Window};

    fn text(length: usize) -> String {
        "one word after the other, ".chars().cycle().take(length).collect()
    }

    fn compressed(length: usize) -> EncodedFrame {
        let compression = Compression::new(64).unwrap();
        Compressor::new(compression, true).compress(EncodedFrame::new(&Frame::text(text(length))))
    }

    /// Returns the frame as a client sends it.
    fn masked(frame: &[u8]) -> Vec<u8> {
        let header = match frame[1] {
            127 => 10,
            126 => 4,
            _ => 2,
        };
        let mut masked = frame[..header].to_vec();
        masked[1] |= 0x80;
        masked.extend([0; 4]);
        masked.extend(&frame[header..]);
        masked
    }

    fn decode(bytes: &[u8], allow_compressed: bool) -> Result<Option<ClientMessage>, ProtocolError> {
        Decoder::default().next(bytes, MessageRules { max: 1 << 20, allow_compressed }, &mut 0)
    }

    #[test]
    fn compressed_form_is_sent_in_windows_that_hold_the_message() {
        let frame = compressed(1000);
        assert!(frame.compressed().is_some());
        for bits in 8..=15 {
            let form = frame.for_window(Window::new(bits).unwrap());
            assert_eq!(form == frame.compressed().unwrap(), bits >= 10, "{bits} bits");
        }
        assert_eq!(frame.for_window(Window::NONE), frame.plain());
        let compression = Compression::new(64).unwrap();
        let Ok(Some(ClientMessage::Compressed(message))) = decode(&masked(frame.compressed().unwrap()), true) else {
            panic!("it is marked as compressed")
        };
        assert_eq!(compression.inflate(&message, 1 << 20).unwrap().frame, Frame::text(text(1000)));
    }

    #[test]
    fn messages_below_threshold_stay_plain() {
        let frame = |length| EncodedFrame::new(&Frame::text(text(length)));
        let compression = || Compression::new(256).unwrap();
        for (are_many, length, is_compressed) in
            [(true, 255, false), (true, 256, true), (false, 1023, false), (false, 1024, true)]
        {
            let compressed = Compressor::new(compression(), are_many).compress(frame(length));
            assert_eq!(compressed.compressed().is_some(), is_compressed, "{length} bytes, many: {are_many}");
        }
        // The threshold of an application may be larger than that for few clients.
        let compressor = Compressor::new(Compression::new(10_000).unwrap(), false);
        assert!(compressor.compress(frame(9000)).compressed().is_none());
    }

    #[test]
    fn message_that_does_not_become_smaller_stays_plain_and_is_counted() {
        let compression = Compression::new(64).unwrap();
        let random: Vec<u8> = (0..1000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let frame = EncodedFrame::new(&Frame::binary(random));
        let compressor = Compressor::new(Arc::clone(&compression), true);
        assert!(compressor.compress(frame.clone()).compressed().is_none());
        assert_eq!((compression.stats().compressed, compression.stats().not_smaller), (0, 1));
        let smaller = compressor.compress(EncodedFrame::new(&Frame::binary(vec![7; 70_000])));
        assert_eq!(smaller.compressed().unwrap()[0], 0xc2, "binary, final, compressed");
        let stats = compression.stats();
        assert_eq!((stats.compressed, stats.plain_bytes), (1, 70_010));
        assert_eq!(stats.compressed_bytes, smaller.compressed().unwrap().len() as u64);
    }

    #[test]
    fn joined_frames_have_both_forms_in_order() {
        let (large, small) = (compressed(1000), EncodedFrame::new(&Frame::text("small")));
        let joined = EncodedFrame::joined(&[&small, &large, &small]);
        assert_eq!(joined.plain(), [small.plain(), large.plain(), small.plain()].concat());
        let form = [small.plain(), large.compressed().unwrap(), small.plain()].concat();
        assert_eq!(joined.for_window(Window::LARGEST), form);
        // 1,018 bytes fit, and another frame of 7 bytes does not.
        let ten = Window::new(10).unwrap();
        assert_eq!(joined.for_window(ten), form);
        let longer = EncodedFrame::joined(&[&joined, &small]);
        assert_eq!(longer.for_window(ten), longer.plain());
        assert!(EncodedFrame::joined(&[&small, &small]).compressed().is_none());
    }

    #[test]
    fn frame_counts_the_memory_that_it_holds() {
        let frame = compressed(100_000);
        let sent = frame.for_window(Window::LARGEST).len();
        assert!(sent < 1000);
        assert_eq!(frame.weight(Window::NONE), frame.plain().len());
        assert_eq!(frame.weight(Window::LARGEST), frame.plain().len() / 8);
        let ordinary = EncodedFrame::with_compressed(&[0; 1000], &[1; 400]);
        assert_eq!(ordinary.weight(Window::LARGEST), 400);
    }

    #[test]
    fn only_first_frame_of_negotiated_data_message_may_be_compressed() {
        let close = [0x03, 0xe8];
        for (bits, opcode, allow_compressed, is_right) in [
            (4, 1, true, true),
            (4, 2, true, true),
            (4, 1, false, false),
            (4, 2, false, false),
            (4, 8, true, false),
            (4, 9, true, false),
            (4, 10, true, false),
            (2, 1, true, false),
            (1, 1, true, false),
            (6, 1, true, false),
            (5, 2, true, false),
        ] {
            let mut frame = vec![0x80 | (bits << 4) | opcode, 0x82, 0, 0, 0, 0];
            frame.extend(close);
            let decoded = decode(&frame, allow_compressed);
            assert_eq!(decoded.is_ok(), is_right, "bits {bits}, opcode {opcode}: {decoded:?}");
            if let Err(error) = decoded {
                assert_eq!(error.code, 1002);
            }
        }
        let (first, rest) =
            ([0x41, 0x81, 0, 0, 0, 0, 0xf2], [0x80, 0x86, 0, 0, 0, 0, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        let Ok(Some(ClientMessage::Compressed(message))) = decode(&[&first[..], &rest].concat(), true) else {
            panic!("a message in two frames")
        };
        let compression = Compression::new(64).unwrap();
        assert_eq!(compression.inflate(&message, 5).unwrap().frame, Frame::text("Hello"));
        let mut marked = rest;
        marked[0] |= 0x40;
        assert_eq!(decode(&[&first[..], &marked].concat(), true).unwrap_err().code, 1002);
    }

    #[test]
    fn failed_messages_have_their_codes_and_counters() {
        let compression = Compression::new(64).unwrap();
        let inflate = |is_text, bytes: &[u8], max| {
            let message = CompressedMessage { is_text, bytes: bytes.into() };
            compression.inflate(&message, max).map(|inflated| inflated.frame).map_err(|error| error.code)
        };
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflate(true, &hello, 5), Ok(Frame::text("Hello")));
        assert_eq!(inflate(true, &hello, 4).unwrap_err(), 1009);
        assert_eq!(inflate(true, &[0xff; 20], 100).unwrap_err(), 1007);
        let not_text = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00];
        assert_eq!(inflate(true, &not_text, 100).unwrap_err(), 1007);
        assert_eq!(inflate(false, &not_text, 100), Ok(Frame::binary(vec![0xff])));
        let stats = compression.stats();
        assert_eq!((stats.inflated, stats.inflated_bytes, stats.invalid, stats.too_big), (3, 7, 1, 1));
    }

    #[test]
    fn empty_blocks_cost_and_ordinary_messages_do_not() {
        let cost = |bytes: Vec<u8>| {
            let compression = Compression::new(64).unwrap();
            compression.inflate(&CompressedMessage { is_text: false, bytes }, 1 << 20).unwrap().cost
        };
        let hello = vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(cost(hello), 5);
        let blocks = cost([0, 0, 0, 0xff, 0xff].repeat(1000));
        assert!((996 * 4096..=1000 * 4096).contains(&blocks), "{blocks}");
    }
}
