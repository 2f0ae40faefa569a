//! The first sends after Redis has restarted or has closed connections.

use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;

use crate::layer::redis::core::{Room, Tick};
use crate::support::redis::RedisServer;
use crate::support::until::until;

/// Sends to its group what its client sends, and when a gap begins and ends.
struct Talker;

#[consumer]
impl Talker {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.group_send(&Room, &Tick { number: text.parse()? }).await
    }

    #[layer_restored]
    async fn restored(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.channel_layer().ready(Duration::from_secs(10)).await?;
        cx.group_send(&Room, &Tick { number: 1000 }).await
    }

    #[handler("tick")]
    fn tick(event: &Tick) -> String {
        event.number.to_string()
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Pubsub,
    Core,
}

impl Kind {
    pub(super) async fn open(self, server: &RedisServer) -> ChannelLayer {
        match self {
            Self::Pubsub => ChannelLayer::redis_pubsub(&[server.url()]).await.unwrap(),
            Self::Core => ChannelLayer::redis_core(&[server.url()]).await.unwrap(),
        }
    }
}

async fn client(layer: ChannelLayer) -> WebsocketCommunicator {
    let channels = Channels::builder().layer(layer).build().unwrap();
    let client = WebsocketCommunicator::new(channels.route::<Talker>(warp::path!("ws")), "/ws");
    let mut client = client.patience(Duration::from_secs(20));
    client.connect().await.unwrap();
    client
}

async fn says(client: &mut WebsocketCommunicator, number: u32) {
    client.send_to(number.to_string()).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), number.to_string());
}

/// The layer has two connections, and only one of them notices the restart by itself.
async fn first_send_after_restart(kind: Kind) {
    let mut server = RedisServer::start();
    let mut client = client(kind.open(&server).await).await;
    for number in 0..4 {
        // The connection for commands is in use until the restart.
        says(&mut client, number).await;
        server = server.restart();
        // The client hears the event that `#[layer_restored]` sends, so its own connection stays open.
        assert_eq!(client.receive_text_from().await.unwrap(), "1000");
    }
    says(&mut client, 5).await;
    drop(server);
}

#[tokio::test]
async fn first_send_after_restart_arrives_on_pubsub() {
    first_send_after_restart(Kind::Pubsub).await;
}

#[tokio::test]
async fn first_send_after_restart_arrives_on_core() {
    first_send_after_restart(Kind::Core).await;
}

/// Redis closes the connections, as its `timeout` setting or a proxy does.
async fn first_send_after_closed_connection(kind: Kind) {
    let server = RedisServer::start();
    let (here, there) = (kind.open(&server).await, kind.open(&server).await);
    let channel = here.new_channel().await.unwrap();
    here.group_add(&Room, channel.name()).await.unwrap();
    for number in 0..20 {
        there.group_send(&Room, &Tick { number }).await.unwrap();
        // Only the connections for commands, and the reader of the queue. The subscriptions are of another type.
        assert!(server.ask("CLIENT KILL TYPE normal").number() > 0);
        // Redis closes them after that reply, and before the next one.
        server.ask("PING");
        there.group_send(&Room, &Tick { number: 100 + number }).await.unwrap();
    }
    until("all messages arrive", || here.stats().delivered == 40).await;
}

#[tokio::test]
async fn first_send_after_closed_connection_arrives_on_pubsub() {
    first_send_after_closed_connection(Kind::Pubsub).await;
}

#[tokio::test]
async fn first_send_after_closed_connection_arrives_on_core() {
    first_send_after_closed_connection(Kind::Core).await;
}
