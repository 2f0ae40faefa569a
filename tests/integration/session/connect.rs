//! Sending in `#[connect]`: order and size.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;

use crate::consumer::chat::{ChatMessage, ChatNote};
use crate::support::gate::Gate;

/// Joins, and sends the rest of its history only when the gate opens.
struct Replayer;

static LET_ON: Gate = Gate::closed();

#[consumer]
impl Replayer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Replayed).await?;
        cx.send_text("old").await?;
        LET_ON.pass().await;
        cx.send_text("old, too").await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn message(event: &ChatMessage) -> String {
        event.text.clone()
    }

    #[handler("chat.note")]
    async fn note(&mut self, cx: &mut Context<Self>, event: &ChatNote) -> Result<()> {
        cx.send_text(event.text.clone()).await
    }
}

#[group("replayed", events(ChatMessage, ChatNote))]
struct Replayed;

#[tokio::test(start_paused = true)]
async fn connect_output_precedes_concurrent_events() {
    let channels = Channels::builder().build().unwrap();
    let layer = channels.channel_layer();
    let mut client = WebsocketCommunicator::new(channels.route::<Replayer>(warp::path!("ws")), "/ws");
    let sent = async {
        while layer.members_here(&Replayed).unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        layer.group_send(&Replayed, &ChatMessage { text: "message".into() }).await.unwrap();
        layer.group_send(&Replayed, &ChatNote { text: "note".into() }).await.unwrap();
        LET_ON.open(1);
    };
    let (connected, ()) = tokio::join!(client.connect(), sent);
    connected.unwrap();
    for expected in ["old", "old, too", "message", "note"] {
        assert_eq!(client.receive_text_from().await.unwrap(), expected);
    }
    assert!(client.receive_nothing().await);
}

/// Sends a large history on connect.
struct Historian;

#[consumer]
impl Historian {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        for _ in 0..10 {
            cx.send_text("x".repeat(400_000)).await?;
        }
        Ok(Self)
    }

    #[receive]
    fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

#[tokio::test]
async fn connect_can_send_more_than_the_queue_holds() {
    let channels = Channels::builder().build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Historian>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    for _ in 0..10 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 400_000);
    }
}
