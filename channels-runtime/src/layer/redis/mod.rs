//! The Redis layers, wire-compatible with channels_redis: Python and Rust processes share groups.
//!
//! Only this folder knows deadpool and redis.

mod publisher;
mod pubsub;
mod shard;
mod subscriber;

use std::error::Error as StdError;
use std::time::Duration;

use deadpool_redis::redis::Client;
use deadpool_redis::{Config as PoolConfig, Pool, Runtime};

use crate::error::LayerError;

/// How long one answer of Redis is waited for before the send counts as failed.
const DEADLINE: Duration = Duration::from_secs(5);

fn unavailable(action: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> LayerError {
    LayerError::Unavailable { action, source: source.into() }
}

/// One Redis server: a pool for commands, and a way to open the connection for subscriptions.
#[derive(Debug)]
struct Host {
    pool: Pool,
    client: Client,
}

impl Host {
    /// Reads the address. Nothing is opened yet.
    fn new(url: &str) -> Result<Self, LayerError> {
        let client = Client::open(url).map_err(|error| unavailable("reading the address of Redis", error))?;
        let pool = PoolConfig::from_url(url)
            .builder()
            .map_err(|error| unavailable("reading the address of Redis", error))?
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(DEADLINE))
            .create_timeout(Some(DEADLINE))
            .recycle_timeout(Some(DEADLINE))
            .build()
            .map_err(|error| unavailable("making the pool of connections", error))?;
        Ok(Self { pool, client })
    }
}
