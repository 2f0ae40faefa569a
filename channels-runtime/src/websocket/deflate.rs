//! DEFLATE (RFC 1951) as RFC 7692 uses it, without state between messages. So one compressed message serves all clients, and a
//! connection keeps no memory for it.

use std::sync::{LazyLock, Mutex};
use std::thread::available_parallelism;

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

use crate::support::lock;

/// The level of compression. Measured at 20 KB of JSON: level 1 is a third larger and takes half of the time; level 6 is 7 %
/// smaller and takes 1.6 times as long.
const LEVEL: i32 = 2;

/// The largest window, in bits.
const LARGEST_WINDOW: u8 = 15;

/// The end of a compressed message, which is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// An empty block that is marked as the last one.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// The smallest step by which the output grows.
const FIRST_OUTPUT: usize = 256;

/// The largest step by which the output grows, so that a message takes memory as it is inflated.
const LARGEST_STEP: usize = 64 * 1024;

/// Compressors or inflaters for reuse; one takes up to 370 KiB. Bound: one for each processor. Not one for each thread, because
/// tokio may have 512 threads for blocking work.
struct Pool<T>(Mutex<Vec<T>>);

static COMPRESSORS: Pool<Deflate> = Pool(Mutex::new(Vec::new()));
static INFLATERS: Pool<Inflate> = Pool(Mutex::new(Vec::new()));

impl<T> Pool<T> {
    /// Calls `run` with an element of the pool. An element is not put back after a panic.
    fn with<R>(&self, make: impl FnOnce() -> T, run: impl FnOnce(&mut T) -> R) -> R {
        static LIMIT: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));
        let pooled = lock(&self.0).pop();
        let mut element = pooled.unwrap_or_else(make);
        let result = run(&mut element);
        let mut pooled = lock(&self.0);
        if pooled.len() < *LIMIT {
            pooled.push(element);
        }
        result
    }
}

fn number(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}

/// Appends a compressed message to `output`. Returns `false` and appends nothing if the message would not be smaller.
///
/// The message ends with a sync flush: no block is marked as the last one, because some clients do not inflate that.
pub(super) fn deflate(message: &[u8], output: &mut Vec<u8>) -> bool {
    let make = || Deflate::new(LEVEL, false, LARGEST_WINDOW);
    COMPRESSORS.with(make, |compressor| {
        compressor.reset();
        let start = output.len();
        output.resize(start + message.len() + TAIL.len(), 0);
        let end = compressor.compress(message, &mut output[start..], DeflateFlush::SyncFlush);
        let length = number(compressor.total_out());
        // If all space is used, the output may be incomplete.
        let is_smaller = end == Ok(Status::Ok) && length < message.len() + TAIL.len();
        let message_end = (start + length).saturating_sub(TAIL.len());
        let is_complete = is_smaller && output.get(message_end..start + length) == Some(&TAIL[..]);
        output.truncate(if is_complete { message_end } else { start });
        is_complete
    })
}

/// An inflated message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inflated {
    pub(super) bytes: Vec<u8>,
    /// The number of DEFLATE blocks. Each one costs time, even if it is empty.
    pub(super) blocks: usize,
}

/// The reason why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InflateError {
    /// It is not DEFLATE, is incomplete, or refers to bytes before its beginning.
    Invalid,
    /// It has more than the permitted number of bytes.
    TooBig,
}

/// Inflates a message to at most `max` bytes.
pub(super) fn inflate(message: &[u8], max: usize) -> Result<Inflated, InflateError> {
    let make = || Inflate::new(false, LARGEST_WINDOW);
    INFLATERS.with(make, |inflater| {
        inflater.reset(false);
        let mut output = Output { bytes: Vec::new(), length: 0, max };
        output.reserve(message.len().saturating_mul(4));
        let mut stream = Stream { inflater, output, blocks: 0, is_at_start: true };
        stream.inflate(message)?;
        stream.finish(message)
    })
}

/// A message that is being inflated.
struct Stream<'a> {
    inflater: &'a mut Inflate,
    output: Output,
    blocks: usize,
    /// No byte has been read since the start, or since a block that is marked as the last one.
    is_at_start: bool,
}

impl Stream<'_> {
    /// Inflates all of the input. The end of a stream is only seen by a call that follows its last byte.
    fn inflate(&mut self, mut input: &[u8]) -> Result<(), InflateError> {
        let Self { inflater, output, blocks, is_at_start } = self;
        loop {
            let (read, written) = (inflater.total_in(), inflater.total_out());
            // `Block`: returns after each block, so that blocks are counted.
            let status = inflater.decompress(input, &mut output.bytes[output.length..], InflateFlush::Block);
            let status = status.map_err(|_| InflateError::Invalid)?;
            let read = number(inflater.total_in() - read);
            let written = number(inflater.total_out() - written);
            input = &input[read..];
            output.length += written;
            if output.length > output.max {
                return Err(InflateError::TooBig);
            }
            *is_at_start &= read == 0;
            if status == Status::StreamEnd {
                // The client marked the block as the last one. Another stream may follow (RFC 7692, section 7.2.3.4).
                inflater.reset(false);
                *is_at_start = true;
            }
            if output.length == output.bytes.len() {
                output.reserve(output.length);
            } else if read > 0 || written > 0 {
                *blocks += 1;
            } else if status != Status::StreamEnd {
                return if input.is_empty() { Ok(()) } else { Err(InflateError::Invalid) };
            }
        }
    }

    /// Returns the inflated message if the message was complete. The inflater does not report an incomplete one: it reads
    /// [`TAIL`] as the missing bytes.
    fn finish(mut self, message: &[u8]) -> Result<Inflated, InflateError> {
        let length = self.output.length;
        // Some clients do not remove the tail.
        if !self.is_at_start && !message.ends_with(&TAIL) {
            self.inflate(&TAIL)?;
        }
        let blocks = self.blocks;
        // A complete message ends between two blocks, so this block can follow and ends the stream.
        if !self.is_at_start {
            self.inflate(&LAST_BLOCK)?;
        }
        if !self.is_at_start || self.output.length != length {
            return Err(InflateError::Invalid);
        }
        let Output { mut bytes, .. } = self.output;
        bytes.truncate(length);
        Ok(Inflated { bytes, blocks })
    }
}

/// The output of an inflater. One byte more than the limit fits, which shows that the message is too big.
struct Output {
    bytes: Vec<u8>,
    length: usize,
    max: usize,
}

impl Output {
    /// Adds about this much space. Adds at least one byte if the limit is not exceeded.
    fn reserve(&mut self, bytes: usize) {
        let step = bytes.clamp(FIRST_OUTPUT, LARGEST_STEP);
        let limit = self.max.saturating_add(1);
        self.bytes.resize(self.bytes.len().saturating_add(step).min(limit), 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zlib_rs::DeflateConfig;

    use super::*;

    /// Compresses like a client: with these settings, and one part after the other.
    fn compressed(parts: &[&[u8]], config: DeflateConfig, last: DeflateFlush) -> Vec<u8> {
        let mut compressor = Deflate::new_with_config(config);
        let mut all = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let mut output = vec![0; part.len() * 2 + 1000];
            let before = compressor.total_out();
            let flush = if at + 1 == parts.len() { last } else { DeflateFlush::SyncFlush };
            compressor.compress(part, &mut output, flush).unwrap();
            output.truncate(number(compressor.total_out() - before));
            all.extend(output);
        }
        all
    }

    fn client(level: i32, bits: i32) -> DeflateConfig {
        DeflateConfig { level, window_bits: -bits, ..DeflateConfig::default() }
    }

    fn without_tail(mut message: Vec<u8>) -> Vec<u8> {
        assert!(message.ends_with(&TAIL));
        message.truncate(message.len() - TAIL.len());
        message
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

        /// Inflates with the window of the client, not with the module's own function.
        #[test]
        fn message_inflates_in_every_window_that_holds_it_and_never_ends_stream(
            message in prop_oneof!["\\PC{0,3000}", "[ab]{0,40000}"],
            bits in 9..=15_u8,
        ) {
            let message = message.into_bytes();
            let mut output = b"before".to_vec();
            if !deflate(&message, &mut output) {
                prop_assert_eq!(&*output, b"before");
                return Ok(());
            }
            let payload = &output[6..];
            prop_assert!(payload.len() < message.len());
            let bits = if message.len() > 1 << bits { LARGEST_WINDOW } else { bits };
            let mut inflater = Inflate::new(false, bits);
            let mut plain = vec![0; message.len() + 1];
            let status = inflater.decompress(&[payload, &TAIL].concat(), &mut plain, InflateFlush::SyncFlush);
            prop_assert_eq!(status, Ok(Status::Ok), "the last block is not marked as the last one");
            prop_assert_eq!(&plain[..number(inflater.total_out())], &*message);
            prop_assert_eq!(inflate(payload, message.len()).unwrap().bytes, message.clone());
            prop_assert_eq!(inflate(payload, message.len() - 1), Err(InflateError::TooBig));
        }

        #[test]
        fn messages_of_all_compressors_are_inflated(
            message in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..20_000),
            level in 0..=9,
            bits in 9..=15,
            mem_level in 1..=9,
            cut in 0..20_000_usize,
        ) {
            let parts = message.split_at(cut.min(message.len()));
            let config = DeflateConfig { mem_level, ..client(level, bits) };
            let wire = without_tail(compressed(&[parts.0, parts.1], config, DeflateFlush::SyncFlush));
            prop_assert_eq!(inflate(&wire, message.len()).unwrap().bytes, message.clone());
            // With a last block, and the byte that RFC 7692 adds after it.
            let mut ended = compressed(&[&message], config, DeflateFlush::Finish);
            prop_assert_eq!(inflate(&ended, message.len()).unwrap().bytes, message.clone());
            ended.push(0);
            prop_assert_eq!(inflate(&ended, message.len()).unwrap().bytes, message);
        }

        #[test]
        fn garbage_never_exceeds_limit(garbage in prop::collection::vec(any::<u8>(), 0..2000), max in 0..5000_usize) {
            if let Ok(inflated) = inflate(&garbage, max) {
                prop_assert!(inflated.bytes.len() <= max);
            }
        }
    }

    /// The examples of RFC 7692, section 7.2.3.
    #[test]
    fn examples_of_rfc_are_inflated() {
        for message in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            // Without compression
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            // A block that is marked as the last one
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            // Two blocks
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(inflate(message, 5).unwrap().bytes, b"Hello", "{message:02x?}");
        }
        // The second message of a client that keeps its context refers to the first one.
        assert_eq!(inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], 5), Err(InflateError::Invalid));
    }

    #[test]
    fn incomplete_message_is_invalid() {
        let words = "one word after the other, ".repeat(100);
        // Blocks with fixed codes, with codes of their own, and without compression. Each part begins a block.
        for (parts, level) in [
            (&[&b"Hello, hello, hello"[..]][..], 6),
            (&[words.as_bytes()], 6),
            (&[b"Hello, ", words.as_bytes()], 6),
            (&[b"Hello, ", b"hello"], 0),
        ] {
            let whole = without_tail(compressed(parts, client(level, 15), DeflateFlush::SyncFlush));
            let message = parts.concat();
            assert_eq!(inflate(&whole, 10_000).unwrap().bytes, message);
            // Some clients do not remove the tail, which is not part of the message.
            assert_eq!(inflate(&[&whole[..], &TAIL].concat(), 10_000).unwrap().bytes, message);
            for end in 1..whole.len() {
                let inflated = inflate(&whole[..end], 10_000);
                // The first part is complete, and so is the first byte of a block without compression.
                let is_complete = |bytes: &[u8]| bytes.is_empty() || (parts.len() > 1 && bytes == parts[0]);
                let is_part = matches!(&inflated, Ok(inflated) if is_complete(&inflated.bytes));
                assert!(is_part || inflated == Err(InflateError::Invalid), "{end} of {}: {inflated:?}", whole.len());
            }
        }
    }

    #[test]
    fn empty_message_and_limit_of_zero() {
        for nothing in [&[][..], &[0], &[3, 0]] {
            assert_eq!(inflate(nothing, 0).unwrap().bytes, b"");
        }
        assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 0), Err(InflateError::TooBig));
        assert!(!deflate(b"", &mut Vec::new()));
    }

    #[test]
    fn bomb_stops_at_limit() {
        let bomb = without_tail(compressed(&[&vec![0; 8 << 20]], client(9, 15), DeflateFlush::SyncFlush));
        assert!(bomb.len() < 10_000);
        assert_eq!(inflate(&bomb, 1 << 20), Err(InflateError::TooBig));
    }

    #[test]
    fn blocks_are_counted() {
        let text = "a word, ".repeat(50);
        let ordinary = without_tail(compressed(&[text.as_bytes()], client(6, 15), DeflateFlush::SyncFlush));
        assert_eq!(inflate(&ordinary, 1000).unwrap().blocks, 2);
        // Empty blocks without compression
        let stored = [0, 0, 0, 0xff, 0xff].repeat(1000);
        assert!((1000..=1002).contains(&inflate(&stored, 1000).unwrap().blocks));
        // Empty blocks of 10 bits
        let bits: Vec<u8> = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0].repeat(800);
        let mut fixed: Vec<u8> =
            bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << at).sum()).collect();
        fixed.push(0);
        assert!((800..=802).contains(&inflate(&fixed, 1000).unwrap().blocks));
    }

    #[test]
    fn message_after_failed_one_is_not_affected() {
        for _ in 0..3 {
            assert!(inflate(&[0xff; 100], 1000).is_err());
            assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 5).unwrap().bytes, b"Hello");
        }
    }
}
