//! The layer of `channels_redis.pubsub.RedisPubSubChannelLayer`: messages through PUBLISH.

mod backend;
mod peers;
mod subscriber;

pub(crate) use backend::check_prefix;
