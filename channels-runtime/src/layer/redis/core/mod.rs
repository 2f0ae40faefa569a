//! The layer of `channels_redis.core.RedisChannelLayer`: messages wait in sorted sets.
//!
//! - `backend`: the [`Backend`](crate::layer::Backend), with the wire format in its docs.
//! - `keys`, `state`: the keys in Redis, and the state that the tasks share.
//! - `memberships`: the task that writes group members.
//! - `queue`: the reader of this process's queue.
//! - `clock_check`: the comparison of this process's clock with the clock of Redis.
//! - `queue_entry`: the entry of a queue of a process or of a general channel.

mod backend;
mod clock_check;
mod keys;
mod memberships;
#[cfg(test)]
mod memberships_tests;
mod queue;
mod queue_entry;
mod state;
