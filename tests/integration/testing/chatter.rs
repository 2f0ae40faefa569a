//! A chat consumer for the tests of the testing kit, and its client.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use warp::Filter;

pub(crate) type Client = WebsocketCommunicator;

#[event("chat.message")]
#[derive(Debug, PartialEq)]
pub(crate) struct ChatMessage {
    pub(crate) message: String,
}

#[event("chat.kick")]
#[derive(Debug, PartialEq)]
pub(crate) struct Kick {
    pub(crate) reason: String,
}

#[group("chat_{room}", events(ChatMessage, Kick))]
pub(crate) struct Room {
    pub(crate) room: String,
}

pub(crate) fn lobby() -> Room {
    Room { room: "lobby".into() }
}

pub(crate) static RENDERED: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Chatter {
    pub(crate) room: Room,
}

#[consumer]
impl Chatter {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = Room { room };
        cx.group_add(&room).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, message: String) -> Result<()> {
        match message.as_str() {
            "bytes" => cx.send_binary("b").await,
            "name" => cx.send_text(cx.channel_name().as_str()).await,
            "not me" => cx.group_send_others(&self.room, &ChatMessage { message }).await,
            "later" => {
                let layer = cx.channel_layer();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(99)).await;
                    _ = layer.group_send(&lobby(), &ChatMessage { message: "at 99 ms".into() }).await;
                    tokio::time::sleep(Duration::from_millis(101)).await;
                    _ = layer.group_send(&lobby(), &ChatMessage { message: "at 200 ms".into() }).await;
                });
                Ok(())
            }
            _ => cx.group_send(&self.room, &ChatMessage { message }).await,
        }
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        if event.message == "count me" {
            RENDERED.fetch_add(1, SeqCst);
        }
        event.message.clone()
    }

    #[handler("chat.kick")]
    fn kick(&mut self, cx: &mut Context<Self>, event: &Kick) {
        cx.close_with(CloseCode::NORMAL, &event.reason);
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        // Long, but shorter than a test waits.
        tokio::time::sleep(Duration::from_millis(900)).await;
        cx.group_send(&self.room, &ChatMessage { message: "gone".into() }).await
    }
}

pub(crate) async fn client(layer: &ChannelLayer) -> Client {
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let route = channels.route::<Chatter>(warp::path!("ws" / String)).boxed();
    let mut client = WebsocketCommunicator::new(route, "/ws/lobby");
    client.connect().await.unwrap();
    client
}
