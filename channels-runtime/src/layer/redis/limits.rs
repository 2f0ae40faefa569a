//! Time and batch limits of the Redis layers.

use std::time::Duration;

/// The time limit for one reply of Redis. A command without a reply by then has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// The number of messages that a task delivers before other tasks run, especially the tasks that write to the sockets.
pub(crate) const TURN: usize = 8;
