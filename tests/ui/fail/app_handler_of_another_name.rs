//! A handler with a misspelt name: `check_app!` finds its event by the payload.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room", events(ChatMessage))]
struct Room;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.mesage")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

check_app! {
    consumers: [ChatConsumer],
    groups: [Room],
}

fn main() {}
