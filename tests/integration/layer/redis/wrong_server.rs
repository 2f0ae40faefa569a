//! A server that replies and is not the master.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::layer::redis::core::{Room, Tick, next_number};
use crate::layer::redis::restart::Kind;
use crate::support::redis::RedisServer;
use crate::support::until::until_within;

const PATIENCE: Duration = Duration::from_secs(20);

/// An address that can lead to another server, like a name in DNS. Open connections stay where they are.
struct Address {
    port: u16,
    target: Arc<AtomicU16>,
    accepting: JoinHandle<()>,
}

impl Address {
    async fn of(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(server.port()));
        let accepting = tokio::spawn({
            let target = Arc::clone(&target);
            async move {
                while let Ok((mut near, _)) = listener.accept().await {
                    let target = Arc::clone(&target);
                    tokio::spawn(async move {
                        if let Ok(mut far) = TcpStream::connect(("127.0.0.1", target.load(SeqCst))).await {
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                        }
                    });
                }
            }
        });
        Self { port, target, accepting }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    fn move_to(&self, server: &RedisServer) {
        self.target.store(server.port(), SeqCst);
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn follow(replica: &RedisServer, master: &RedisServer) {
    assert_eq!(replica.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port())).text(), "OK");
}

fn text(error: LayerError) -> String {
    Error::from(error).to_string()
}

/// A failover that leaves connections open. A replica accepts each PUBLISH, but the message reaches only its own subscribers.
#[tokio::test]
async fn pubsub_leaves_master_that_became_replica() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let address = Address::of(&old).await;
    let here = ChannelLayer::redis_pubsub(&[address.url()]).await.unwrap();
    let there = Kind::Pubsub.open(&new).await;
    let (near, far) = (here.new_channel().await.unwrap(), there.new_channel().await.unwrap());
    here.group_add(&Room, near.name()).await.unwrap();
    there.group_add(&Room, far.name()).await.unwrap();
    follow(&old, &new);
    until_within(PATIENCE, "the failover is noticed", async || here.stats().gaps == 1).await;
    // The address still leads to the replica.
    let error = text(here.ready(Duration::from_secs(1)).await.unwrap_err());
    assert!(error.contains("this server is a replica"), "{error}");

    address.move_to(&new);
    until_within(PATIENCE, "the layer is ready", async || here.ready(Duration::from_secs(1)).await.is_ok()).await;
    here.group_send(&Room, &Tick { number: 1 }).await.unwrap();
    assert_eq!((next_number(&near).await, next_number(&far).await), (1, 1));
    there.group_send(&Room, &Tick { number: 2 }).await.unwrap();
    assert_eq!((next_number(&near).await, next_number(&far).await), (2, 2));
    assert_eq!(here.stats().gaps, 1);
}

/// A replica refuses to write. The command was not executed, so it is sent again.
#[tokio::test]
async fn core_sends_refused_command_to_new_master() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let address = Address::of(&old).await;
    let here = ChannelLayer::redis_core(&[address.url()]).await.unwrap();
    let there = Kind::Core.open(&new).await;
    let far = there.new_channel().await.unwrap();
    for number in 0..3 {
        // The connection for commands is in use until the failover.
        here.send(far.name(), &Tick { number }).await.unwrap();
    }
    follow(&old, &new);
    address.move_to(&new);
    for number in 3..6 {
        here.send(far.name(), &Tick { number }).await.unwrap();
        assert_eq!(next_number(&far).await, number);
    }
}

#[tokio::test]
async fn layer_does_not_start_on_replica() {
    let master = RedisServer::start();
    let replica = RedisServer::start_replica(&master);
    for opened in [ChannelLayer::redis_pubsub(&[replica.url()]).await, ChannelLayer::redis_core(&[replica.url()]).await]
    {
        let error = text(opened.unwrap_err());
        assert!(error.contains("this server is a replica") && error.contains(&replica.port().to_string()), "{error}");
    }
}

/// A user who may not ask for the role can still use the layer.
#[tokio::test]
async fn layer_accepts_server_that_hides_its_role() {
    let server = RedisServer::start();
    assert_eq!(server.ask("ACL SETUSER default -hello").text(), "OK");
    for kind in [Kind::Pubsub, Kind::Core] {
        kind.open(&server).await.ready(PATIENCE).await.unwrap();
    }
}
