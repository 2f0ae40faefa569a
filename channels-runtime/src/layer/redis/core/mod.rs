//! The layer of `channels_redis.core.RedisChannelLayer`: messages wait in sorted sets.

mod backend;
mod keys;
mod memberships;
mod queue;
mod state;
mod worker_queue;
