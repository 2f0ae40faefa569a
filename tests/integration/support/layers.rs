//! Two handles on one channel layer, for each kind of layer. With Redis, each handle acts as a separate process.

use std::time::Duration;

use channels_runtime::Envelope;
use channels_runtime::layer::{Channel, LayerConfig};
use channels_runtime::prelude::*;

use crate::support::redis::RedisServer;

/// Two handles on one layer, with the servers that they need.
pub(crate) struct Two {
    pub(crate) here: ChannelLayer,
    pub(crate) there: ChannelLayer,
    _servers: Vec<RedisServer>,
}

pub(crate) async fn memory(config: LayerConfig) -> Two {
    let layer = ChannelLayer::in_memory_with(config);
    Two { here: layer.clone(), there: layer, _servers: Vec::new() }
}

pub(crate) async fn pubsub(config: LayerConfig) -> Two {
    let server = RedisServer::start();
    let hosts = [server.url()];
    let open = || ChannelLayer::redis_pubsub_with(&hosts, config.clone());
    let (here, there) = (open().await.unwrap(), open().await.unwrap());
    Two { here, there, _servers: vec![server] }
}

/// Opens the pub/sub layer on two servers: the names are spread over both.
pub(crate) async fn pubsub_sharded(config: LayerConfig) -> Two {
    let server = RedisServer::start();
    // Pub/sub ignores the database number, so two addresses of one server would share all messages.
    let other = RedisServer::start();
    let hosts = [server.url(), other.url()];
    let open = || ChannelLayer::redis_pubsub_with(&hosts, config.clone());
    let (here, there) = (open().await.unwrap(), open().await.unwrap());
    Two { here, there, _servers: vec![server, other] }
}

pub(crate) async fn core(config: LayerConfig) -> Two {
    let server = RedisServer::start();
    let hosts = [server.url()];
    let open = || ChannelLayer::redis_core_with(&hosts, config.clone());
    let (here, there) = (open().await.unwrap(), open().await.unwrap());
    Two { here, there, _servers: vec![server] }
}

pub(crate) async fn core_sharded(config: LayerConfig) -> Two {
    let (server, other, third) = (RedisServer::start(), RedisServer::start(), RedisServer::start());
    let hosts = [server.url(), other.url(), third.url()];
    let open = || ChannelLayer::redis_core_with(&hosts, config.clone());
    let (here, there) = (open().await.unwrap(), open().await.unwrap());
    Two { here, there, _servers: vec![server, other, third] }
}

/// Returns the next event of a channel.
pub(crate) async fn next_event(channel: &Channel) -> Envelope {
    let arrived = tokio::time::timeout(Duration::from_secs(5), channel.receive()).await;
    arrived.expect("a message arrives within five seconds").expect("the layer is open")
}
