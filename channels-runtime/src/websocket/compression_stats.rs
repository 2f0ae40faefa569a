//! Counters of compressed messages.

use crate::support::counted;

counted! {
    /// Compressed messages (`permessage-deflate`): a part of [`Stats`](crate::stats::Stats). All counters are 0 without
    /// `Channels::builder().compression(..)`.
    pub struct CompressionStats of CompressionCounters {
        /// Clients that offered compression, and receive compressed messages.
        accepted => COMPRESSION_OFFERS["accepted"],
        /// Clients that offered compression and receive plain messages: no offer was acceptable, the client is one that does not
        /// inflate correctly, or the consumer or `cx.no_compression()` declined it.
        declined => COMPRESSION_OFFERS["declined"],
        /// Messages that were compressed: one for all members of a group, or one reply.
        compressed => COMPRESSED,
        /// The bytes of these messages before compression, with their frame headers.
        plain_bytes => COMPRESSED_BYTES["plain"],
        /// The bytes of these messages after compression, with their frame headers.
        compressed_bytes => COMPRESSED_BYTES["compressed"],
        /// Messages that were compressed in vain, because the result was not smaller. They are sent plain.
        not_smaller => NOT_SMALLER,
        /// Compressed messages of clients.
        inflated => INFLATED,
        /// The bytes of these messages after inflating.
        inflated_bytes => INFLATED_BYTES,
        /// Connections closed with 1007, because a message of the client could not be inflated.
        invalid => INFLATE_FAILED["invalid"],
        /// Connections closed with 1009, because an inflated message was larger than `max_message_size`.
        too_big => INFLATE_FAILED["too_big"],
    }
}
