//! The reasons to give up a connection to Redis.

use std::error::Error as StdError;

use deadpool_redis::redis::RedisError;

use crate::error::LayerError;

/// What Redis says of a key that is of another kind than the command is for.
pub(crate) const WRONG_TYPE: &str = "WRONGTYPE";

pub(crate) fn unavailable(action: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> LayerError {
    LayerError::Unavailable { server: None, action, source: source.into() }
}

/// As [`unavailable`], with the address of the server.
pub(crate) fn unavailable_at(
    server: impl std::fmt::Display,
    action: &'static str,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> LayerError {
    LayerError::Unavailable { server: Some(server.to_string()), action, source: source.into() }
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("Redis does not answer")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no connection to Redis: {0}")]
    Pool(#[from] deadpool_redis::PoolError),
    #[error("Redis does not answer on this connection, and does on a new one")]
    Overtaken,
    #[error("Redis answers something that was not asked; the connection is out of step")]
    OutOfStep,
    #[error("the connection was closed")]
    Closed,
    #[error("Redis refuses: {0}")]
    Refused(std::sync::Arc<RedisError>),
}

impl ConnectionError {
    /// The connection is well: the key is of another kind than the command is for.
    pub(crate) fn is_of_wrong_type(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some(WRONG_TYPE))
    }
}
