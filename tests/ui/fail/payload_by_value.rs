//! An event is shared by every member of its group.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[event("chat.leave")]
struct ChatLeave;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: ChatMessage) -> String {
        event.message
    }

    #[handler("chat.join")]
    async fn chat_join(&mut self, _cx: &mut Context<Self>, _event: &mut ChatJoin) {}

    #[handler("chat.leave")]
    async fn chat_leave(&mut self, _cx: &mut Context<Self>, _event: &'static ChatLeave) {}
}

fn main() {}
