//! Time and batch limits of the Redis layers.

use std::time::Duration;

/// The time limit for an attempt to connect and for one reply of Redis. After it, a connection is discarded.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// The time limit for a call of the layer. It is shorter than the default time limit of `#[connect]`, and than [`DEADLINE`]. So it
/// always passes first, and the caller gets an error with the cause.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(4);

/// The number of messages that a task delivers before other tasks run, especially the tasks that write to the sockets.
pub(crate) const TURN: usize = 8;
