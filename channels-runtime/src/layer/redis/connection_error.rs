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

/// Problems with certificates, as rustls words them, and their remedies.
const REMEDIES: [(&str, &str); 5] = [
    (
        "UnknownIssuer",
        "either this machine has no CA certificates (install the package `ca-certificates`), or the server has its own CA: name \
         its certificate with `ssl_ca_certs`",
    ),
    (
        "CaUsedAsEndEntity",
        "the server uses the certificate of a CA as its own: let the CA sign another one, or accept it with `ssl_cert_reqs`: \"none\"",
    ),
    (
        "not valid for name",
        "the certificate names another server: connect by the name in it, or switch the check off with `ssl_check_hostname`",
    ),
    ("UnknownCA", "Redis does not know the CA that signed the certificate of the client, the one in `ssl_certfile`"),
    (
        "CertificateRequired",
        "the server requires a certificate of the client: name its files with `ssl_certfile` and `ssl_keyfile`",
    ),
];

/// Returns the text of an error, with the remedy for a problem with a certificate.
fn with_remedy(error: &RedisError) -> String {
    let text = error.to_string();
    match REMEDIES.iter().find(|(problem, _)| text.contains(problem)) {
        Some((_, remedy)) => format!("{text}: {remedy}"),
        None => text,
    }
}

/// The reason to discard a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("Redis did not reply in time")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("Redis did not reply in time; the last error was: {0}")]
    LateAfter(Arc<Self>),
    #[error("{}", with_remedy(.0))]
    Redis(RedisError),
    #[error("no connection to Redis: {0}")]
    Pool(PoolError),
    #[error("no Sentinel names a server that is the master of `{0}`")]
    NoMaster(String),
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
            Self::Redis(error) => error,
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

impl From<RedisError> for ConnectionError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<PoolError> for ConnectionError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Redis(error),
            other => Self::Pool(other),
        }
    }
}
