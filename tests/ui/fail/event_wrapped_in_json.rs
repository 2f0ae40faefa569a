//! The payload of a handler is the event, however it travels.

use std::collections::HashMap;

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
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &Json<ChatMessage>) -> Result<()> {
        cx.send_text(&event.0.message).await
    }

    #[handler("chat.join")]
    fn chat_join(event: &HashMap<String, String>) -> String {
        event["username"].clone()
    }
}

fn main() {}
