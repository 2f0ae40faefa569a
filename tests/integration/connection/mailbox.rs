//! The mailbox of a slow handler, and its outbound queue.

use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde_json::{Value, json};

use crate::consumer::chat::{App, ChatFail, ChatMessage, ChatNote, ChatSlow, ForceDisconnect, Line, room};

#[tokio::test]
async fn slow_handler_fills_only_its_own_mailbox() {
    let app = App::with(
        Channels::builder()
            .layer(ChannelLayer::in_memory_with(channels_runtime::layer::LayerConfig::default().capacity(5))),
    );
    struct Stuck;
    #[consumer]
    impl Stuck {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&room()).await?;
            cx.send_json(&cx.channel_name()).await?;
            Ok(Self)
        }
        #[handler("chat.note")]
        async fn note(&mut self, _cx: &mut Context<Self>, _event: &ChatNote) {
            std::future::pending().await
        }
        #[handler("chat.message")]
        fn message(event: &ChatMessage) -> String {
            event.text.clone()
        }
        #[handler("chat.slow")]
        fn slow(_event: &ChatSlow) -> Option<String> {
            None
        }
        #[handler("chat.fail")]
        fn fail(_event: &ChatFail) -> Option<String> {
            None
        }
        #[handler("chat.force_disconnect")]
        fn force_disconnect(_event: &ForceDisconnect) -> Option<String> {
            None
        }
    }
    let mut stuck = WebsocketCommunicator::new(app.channels.route::<Stuck>(warp::path!("stuck")), "/stuck");
    stuck.connect().await.unwrap();
    let name: ChannelName<Stuck> = stuck.receive_json_from().await.unwrap();
    let layer = app.channels.channel_layer();
    layer.send(&name, &ChatNote { text: "the handler never returns".into() }).await.unwrap();
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut other = app.client("in");
    other.connect().await.unwrap();
    for number in 0..8 {
        layer.group_send(&room(), &ChatNote { text: number.to_string() }).await.unwrap();
        let heard: Value = other.receive_json_from().await.unwrap();
        assert_eq!(heard, json!({"note": number.to_string()}));
    }
    assert_eq!(layer.stats().dropped_full, 3);
    // Frames that wait for a busy handler are limited by their size in bytes, as all output is.
    for number in 0..200 {
        layer.group_send(&room(), &ChatMessage { text: number.to_string() }).await.unwrap();
        assert_eq!(other.receive_json_from::<Line>().await.unwrap().line, number.to_string());
    }
    assert_eq!((layer.stats().dropped_full, app.channels.stats().connections.too_slow), (3, 0));
    for _ in 0..3 {
        layer.group_send(&room(), &ChatMessage { text: "x".repeat(600_000) }).await.unwrap();
        assert_eq!(other.receive_json_from::<Line>().await.unwrap().line.len(), 600_000);
    }
    assert_eq!(app.channels.stats().connections.too_slow, 1);
    let full = layer.send(&name, &ChatNote { text: "one more".into() }).await.unwrap_err();
    assert!(matches!(full, LayerError::ChannelFull { capacity: 5, .. }), "{full}");
}

/// Sends the client more than its queue holds, in one handler.
#[derive(Default)]
struct Talker;

#[consumer]
impl Talker {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, much: String) -> Result<()> {
        for _ in 0..10 {
            cx.send_text(much.clone()).await?;
            cx.send_json(&much).await?;
        }
        cx.send_text("done").await?;
        // Queued output reaches the client while the handler is running.
        std::future::pending().await
    }
}

#[tokio::test]
async fn outbound_queue_when_full_suspends_handler_until_client_reads() {
    let channels = Channels::builder().build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Talker>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let much = "x".repeat(400_000);
    client.send_to(much.clone()).await.unwrap();
    for _ in 0..10 {
        assert!(client.receive_text_from().await.unwrap() == much);
        assert!(client.receive_json_from::<String>().await.unwrap() == much);
    }
    assert_eq!(client.receive_text_from().await.unwrap(), "done");
}
