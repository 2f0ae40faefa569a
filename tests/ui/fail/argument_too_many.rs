//! Methods with too many arguments.

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
    fn chat_message(event: &ChatMessage, times: usize) -> String {
        event.message.repeat(times)
    }

    #[handler("chat.join")]
    async fn chat_join(&mut self, _cx: &mut Context<Self>, _event: &ChatJoin, _room: u64) {}
}

fn main() {}
