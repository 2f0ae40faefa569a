//! Time and batch limits of the Redis layers.

use std::time::Duration;

/// How long one answer of Redis is waited for before the send counts as failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// How many messages are handed out before other tasks (the writer of the sockets, above all) get their turn.
pub(crate) const TURN: usize = 8;
