//! The role of a Redis server. A layer needs the master.
//!
//! A master that became a replica may keep its connections, for example after a failover by a changed DNS record. It still
//! replies to each PING and accepts each PUBLISH, but passes the message only to its own subscribers.

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{Cmd, ErrorKind, RedisResult, Value, cmd};

use crate::layer::redis::connection_error::ConnectionError;

/// Returns the command whose reply contains the role.
///
/// ROLE and INFO also return it. But they are `@dangerous`, so a user of Redis is less often allowed to run them.
pub(super) fn role_command() -> Cmd {
    cmd("HELLO")
}

/// Checks that a connection leads to a master. A server that does not return its role is accepted: an old one, a proxy, or one
/// that does not allow the command.
pub(super) async fn check_role(connection: &mut impl ConnectionLike) -> Result<(), ConnectionError> {
    accept(role_command().query_async(connection).await)
}

fn accept(reply: RedisResult<Value>) -> Result<(), ConnectionError> {
    match reply {
        Ok(reply) => check_reply(&reply),
        Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Checks that the reply to [`role_command`] does not come from a replica.
pub(super) fn check_reply(reply: &Value) -> Result<(), ConnectionError> {
    if is_replica(reply) { Err(ConnectionError::Replica) } else { Ok(()) }
}

/// Returns whether the reply to HELLO, which is a list of names and values, contains the role of a replica.
fn is_replica(reply: &Value) -> bool {
    let is_text = |value: &Value, text: &str| match value {
        Value::BulkString(bytes) => bytes == text.as_bytes(),
        Value::SimpleString(string) => string == text,
        _ => false,
    };
    let is_role =
        |name: &Value, value: &Value| is_text(name, "role") && (is_text(value, "replica") || is_text(value, "slave"));
    match reply {
        Value::Array(list) => list.chunks_exact(2).any(|pair| is_role(&pair[0], &pair[1])),
        Value::Map(pairs) => pairs.iter().any(|(name, value)| is_role(name, value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::{RedisError, make_extension_error};

    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn only_replica_is_rejected() {
        let hello = |role: &str| Value::Array(vec![text("proto"), Value::Int(2), text("role"), text(role)]);
        assert!(accept(Ok(hello("master"))).is_ok());
        assert!(matches!(accept(Ok(hello("replica"))), Err(ConnectionError::Replica)));
        let map = Value::Map(vec![(text("role"), text("slave"))]);
        assert!(matches!(accept(Ok(map)), Err(ConnectionError::Replica)));
        // A name of another field, and servers without roles.
        assert!(accept(Ok(Value::Array(vec![text("server"), text("role"), text("replica"), text("x")]))).is_ok());
        assert!(accept(Ok(Value::Okay)).is_ok());
        assert!(accept(Err(make_extension_error("NOPERM".into(), None))).is_ok());
        assert!(accept(Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)))).is_err());
    }
}
