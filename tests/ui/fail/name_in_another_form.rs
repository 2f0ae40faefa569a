//! Names in quotes in the wrong place, or with the wrong content.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler = "chat.message"]
    fn equals(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler(b"chat.message")]
    fn bytes(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.message" "chat.line")]
    fn two(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[receive()]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

fn main() {}
