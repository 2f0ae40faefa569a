//! A consumer handles an event that no group, channel or timer sends.

use channels_runtime::check_app;
use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.join")]
    fn chat_join(event: &ChatJoin) -> String {
        event.username.clone()
    }
}

check_app! {
    consumers: [ChatConsumer],
    groups: [Room],
}

fn main() {}
