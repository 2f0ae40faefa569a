//! The Redis layers, wire-compatible with channels_redis: Python and Rust processes share groups.
//!
//! - [`core`]: `channels_redis.core.RedisChannelLayer`, messages in sorted sets.
//! - [`pubsub`]: `channels_redis.pubsub.RedisPubSubChannelLayer`, messages through PUBLISH.
//!
//! Only this folder knows deadpool and redis.

mod address;
mod backoff;
mod clock;
mod codec;
mod commands;
mod connection_error;
mod core;
mod host;
mod limits;
mod pipeline;
mod pubsub;
mod shard;

pub use address::RedisHost;

#[cfg(any(test, fuzzing))]
pub(crate) use codec::Codec;
pub(crate) use pubsub::check_prefix;
