//! The command that pops an entry of a queue, and its reply.

use std::time::Duration;

use deadpool_redis::redis::{Cmd, cmd};

/// A sealed message and its score.
pub(super) type QueueEntry = (Vec<u8>, f64);

/// The reply to [`pop_oldest`]: the key of the queue, a sealed message and its score.
pub(super) type PoppedEntry = (String, Vec<u8>, f64);

/// Returns the command that pops the oldest entry of a queue, and waits up to `block` for one.
pub(super) fn pop_oldest(queue: &str, block: Duration) -> Cmd {
    let mut pop = cmd("BZPOPMIN");
    pop.arg(queue).arg(block.as_secs());
    pop
}
