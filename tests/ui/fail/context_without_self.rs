//! A handler without `self` runs once for all connections, so it has no context.

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
