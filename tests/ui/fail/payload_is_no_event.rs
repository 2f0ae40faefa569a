//! The payload lacks `#[event]`.

use channels_runtime::prelude::*;

struct ChatMessage {
    message: String,
}

struct ChatJoin;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.join")]
    async fn chat_join(&mut self, _cx: &mut Context<Self>, _event: &ChatJoin) {}
}

fn main() {}
