//! The layer of `channels_redis.core.RedisChannelLayer`: messages wait in sorted sets.
//!
//! - `backend`: the [`Backend`](crate::layer::Backend), with the wire format in its docs.
//! - `keys`, `state`: the keys in Redis, and the state that the tasks share.
//! - `memberships`: the task that writes group members.
//! - `queue`, `worker_queue`: the readers of a process's queue and of a general channel's queue.
//! - `clock_check`: the comparison of this process's clock with the clock of Redis.
//! - `queue_entry`: the entry of a queue, which both readers open.

mod backend;
mod clock_check;
mod keys;
mod memberships;
#[cfg(test)]
mod memberships_tests;
mod queue;
mod queue_entry;
mod state;
mod worker_queue;
