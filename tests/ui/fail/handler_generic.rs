//! An event is one type.

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
    async fn chat_message<E: Event>(&mut self, _cx: &mut Context<Self>, _event: &E) {}

    #[handler("chat.join")]
    fn chat_join(_event: &impl Event) -> String {
        String::new()
    }
}

fn main() {}
