//! The handler's name differs from the name of its payload.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.mesage")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.message")]
    async fn chat_join(&mut self, cx: &mut Context<Self>, event: &ChatJoin) -> Result<()> {
        cx.send_text(&*event.username).await
    }
}

fn main() {}
