//! What nothing can reach is told by the compiler, as everywhere: a method whose attribute was forgotten, and the handlers of
//! a consumer that no route and no worker serves.

#![deny(dead_code)]

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct ChatConsumer {
    room: String,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        Ok(Self { room })
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(format!("{}: {}", self.room, event.message)).await
    }

    async fn chat_join(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(format!("{} joins", event.message)).await
    }
}

struct AdminConsumer;

#[consumer]
impl AdminConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {
    let _ = Channels::builder().build().unwrap().route::<ChatConsumer>(warp::path!("ws" / String));
}
