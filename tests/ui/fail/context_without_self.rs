//! What runs once for all connections has no context of one.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    async fn chat_message(cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(&*event.message).await
    }
}

fn main() {}
