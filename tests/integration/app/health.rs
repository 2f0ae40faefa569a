//! The health routes: `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::web::ServeError;
use tokio::task::JoinHandle;

use crate::server::drain::PATIENCE;
use crate::support::client::send_request;
use crate::support::redis::RedisServer;
use crate::support::until::until_within;

/// Serves the health routes of an application from another application, which keeps running when the first one stops.
async fn watch(channels: &Channels) -> (SocketAddr, JoinHandle<Result<(), ServeError>>) {
    let server = Channels::builder().build().unwrap().bind(([127, 0, 0, 1], 0)).await.unwrap();
    (server.local_addr(), tokio::spawn(server.serve(channels.health())))
}

/// Returns the status of `/healthz` and of `/readyz`.
async fn health(address: SocketAddr) -> (u16, u16) {
    let status = async |path| send_request(address, &format!("GET /{path} HTTP/1.1\nHost: ours\n\n")).await.status;
    (status("healthz").await, status("readyz").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_fails_while_redis_hangs() {
    let redis = RedisServer::start();
    let url = [redis.url()];
    for layer in [ChannelLayer::redis_core(&url).await.unwrap(), ChannelLayer::redis_pubsub(&url).await.unwrap()] {
        let channels = Channels::builder().layer(layer).build().unwrap();
        let (address, watching) = watch(&channels).await;
        assert_eq!(health(address).await, (200, 200));
        redis.signal("STOP");
        assert_eq!(health(address).await, (200, 503));
        redis.signal("CONT");
        until_within(PATIENCE, "the layer is ready again", async || health(address).await == (200, 200)).await;
        assert!(channels.shutdown(Duration::from_secs(10)).await);
        assert_eq!(health(address).await, (200, 503));
        watching.abort();
    }
}

#[tokio::test]
async fn readiness_of_memory_layer_fails_after_close() {
    let channels = Channels::builder().build().unwrap();
    let (address, watching) = watch(&channels).await;
    assert_eq!(health(address).await, (200, 200));
    channels.channel_layer().close().await;
    assert_eq!(health(address).await, (200, 503));
    watching.abort();
}
