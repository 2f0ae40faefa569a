//! A handler with a wrong signature is one error: `check_app!` does not call it missing.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
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
    fn chat_message(event: ChatMessage) -> String {
        event.message
    }
}

check_app! {
    consumers: [ChatConsumer],
    groups: [Room],
}

fn main() {}
