//! The layer of `channels_redis.pubsub.RedisPubSubChannelLayer`: messages through PUBLISH.
//!
//! - `backend`: the [`Backend`](crate::layer::Backend), with the wire format in its docs.
//! - `state`: the state that the tasks share.
//! - `peers`: the messages between the processes of the layer, to list group members.
//! - `job_topics`, `job_offers`, `job_queue`: the jobs of workers: how a process numbers those that are published, the task that
//!   offers them to the shared queue, and a worker's end of the queue.
//! - `history_keys`, `link_text`, `record`, `recall`, `recalls`: the histories of groups: their names and identities in Redis, the
//!   scripts that keep and read messages, and the task that reads them.
//! - `topics`, `subscriptions`, `subscriber`: the names to subscribe, their state, and the task that subscribes them.
//! - `subscription_sink`, `probe`, `role_watch`: the connection of the subscriber, its liveness, and the role of the server.

mod backend;
mod history_keys;
mod job_offers;
mod job_queue;
mod job_topics;
mod link_text;
mod peers;
mod probe;
mod recall;
mod recalls;
mod record;
mod role_watch;
mod server_topics;
mod state;
mod subscriber;
#[cfg(test)]
mod subscriber_tests;
mod subscription_sink;
mod subscriptions;
mod topics;

pub(crate) use backend::check_prefix;
