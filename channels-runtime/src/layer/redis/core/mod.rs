//! The layer of `channels_redis.core.RedisChannelLayer`: messages wait in sorted sets.
//!
//! - `backend`: the [`Backend`](crate::layer::Backend), with the wire format in its docs.
//! - `keys`, `state`: the keys in Redis, and the state that the tasks share.
//! - `memberships`: the task that writes group members.
//! - `queue`, `worker_queue`, `queue_entry`: the tasks that receive messages.

mod backend;
mod keys;
mod memberships;
#[cfg(test)]
mod memberships_model;
mod queue;
mod queue_entry;
mod state;
mod worker_queue;
