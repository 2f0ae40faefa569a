//! The errors of a connection to Redis, and of an action that failed because of them.

use std::error::Error as StdError;
use std::sync::Arc;

use deadpool_redis::PoolError;
use deadpool_redis::redis::{ErrorKind, RedisError};

use crate::error::LayerError;

/// The error code of Redis for a key of another type than the command needs.
pub(crate) const WRONG_TYPE: &str = "WRONGTYPE";

/// The error code of Redis for a command that the user may not run.
pub(crate) const NO_PERMISSION: &str = "NOPERM";

/// Returns the [`LayerError`] for an action that failed at Redis.
pub(crate) fn unavailable(action: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> LayerError {
    LayerError::Unavailable { server: None, action, source: source.into() }
}

/// Returns the [`LayerError`] for an action that failed at this server.
pub(crate) fn unavailable_at(
    server: impl std::fmt::Display,
    action: &'static str,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> LayerError {
    LayerError::Unavailable { server: Some(server.to_string()), action, source: source.into() }
}

/// The reason to discard a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("Redis did not reply in time")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("Redis did not reply in time; the last error was: {0}")]
    LateAfter(Arc<Self>),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no connection to Redis: {0}")]
    Pool(#[from] PoolError),
    #[error("Redis does not reply on this connection, but on a new one")]
    Unresponsive,
    #[error("Redis sent a reply to another command; the connection is out of step")]
    OutOfStep,
    #[error("this server is a replica, whose messages do not reach the other processes; use the address of its master")]
    Replica,
    #[error("the connection was closed")]
    Closed,
    #[error("Redis refused the commands: {0}")]
    Refused(Arc<RedisError>),
}

impl ConnectionError {
    /// Returns whether Redis replied that the user of this process may not do this. The reply to a further attempt is the same
    /// until the permissions in Redis change.
    pub(crate) fn is_refusal(&self) -> bool {
        let error = match self {
            Self::Redis(error) | Self::Pool(PoolError::Backend(error)) => error,
            Self::Refused(error) => error,
            _ => return false,
        };
        error.kind() == ErrorKind::AuthenticationFailed
            || error.code().is_some_and(|code| matches!(code, NO_PERMISSION | "NOAUTH" | "WRONGPASS"))
    }

    /// Returns whether only the key is of the wrong type. The connection still works.
    pub(crate) fn is_of_wrong_type(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some(WRONG_TYPE))
    }
}
