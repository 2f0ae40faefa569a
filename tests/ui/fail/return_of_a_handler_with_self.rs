//! A handler with `&mut self` sends with `cx`, and returns no frame.

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
    async fn chat_message(&mut self, _cx: &mut Context<Self>, event: &ChatMessage) -> Json<String> {
        Json(event.message.clone())
    }

    #[handler("chat.join")]
    fn chat_join(&mut self, _cx: &mut Context<Self>, event: &ChatJoin) -> Result<String> {
        Ok(event.username.clone())
    }
}

fn main() {}
