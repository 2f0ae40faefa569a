//! The Redis layers, wire-compatible with channels_redis, so that Python and Rust processes share groups.
//!
//! - [`core`]: `channels_redis.core.RedisChannelLayer`, messages in sorted sets.
//! - [`pubsub`]: `channels_redis.pubsub.RedisPubSubChannelLayer`, messages through PUBLISH.
//!
//! Both use [`commands`] to send, [`worker_queue`] for the jobs of workers, [`reconciler`] to make Redis match the local table,
//! and [`host`] for connections. No other folder uses the crates `deadpool_redis` and `redis`.

mod address;
mod clock;
mod codec;
mod commands;
mod connection_error;
mod connection_options;
mod core;
mod group_join;
mod host;
mod kept_connection;
mod last_error;
mod limits;
mod lua_script;
mod pipeline;
mod pipeline_connection;
mod pop;
mod pubsub;
mod reconciler;
mod reconnect_backoff;
mod redis_url;
mod role;
mod sentinel;
mod shard;
mod store;
mod target;
mod tasks;
#[cfg(feature = "tls")]
mod tls;
mod tls_options;
mod worker_queue;

pub use address::RedisHost;

#[cfg(any(test, fuzzing))]
pub(crate) use codec::Codec;
pub(crate) use connection_options::{ConnectionOptions, OptionProblem};
pub(crate) use pubsub::check_prefix;
pub(crate) use redis_url::{DEFAULT_HOST, DEFAULT_PORT};
