//! The layer of `channels_redis.pubsub.RedisPubSubChannelLayer`: messages through PUBLISH.
//!
//! - `backend`: the [`Backend`](crate::layer::Backend), with the wire format in its docs.
//! - `state`: the state that the tasks share.
//! - `peers`: the messages between the processes of the layer, to list group members.
//! - `topics`, `subscriptions`, `subscriber`: the names to subscribe, their state, and the task that subscribes them.
//! - `subscription_sink`, `probe`: the connection of the subscriber, and its liveness.

mod backend;
mod peers;
mod probe;
mod state;
mod subscriber;
#[cfg(test)]
mod subscriber_tests;
mod subscription_sink;
mod subscriptions;
mod topics;

pub(crate) use backend::check_prefix;
