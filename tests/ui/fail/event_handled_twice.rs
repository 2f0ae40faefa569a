//! One event, two handlers.

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
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.message")]
    async fn log(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) {}
}

fn main() {}
