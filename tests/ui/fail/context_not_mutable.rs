//! The context must be `&mut Context<Self>`.

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
    #[handler("chat.message")]
    async fn chat_message(&mut self, _cx: &Context<Self>, _event: &ChatMessage) {}

    #[handler("chat.join")]
    async fn chat_join(&mut self, _cx: Context<Self>, _event: &ChatJoin) {}
}

fn main() {}
