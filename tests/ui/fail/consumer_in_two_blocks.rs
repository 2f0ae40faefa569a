//! A consumer is one block: its events are one enum.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
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
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

#[consumer]
impl ChatConsumer {
    #[handler("chat.join")]
    fn chat_join(event: &ChatJoin) -> String {
        event.username.clone()
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _text: String) -> Result<()> {
        cx.send_text(&self.room).await
    }
}

fn main() {}
