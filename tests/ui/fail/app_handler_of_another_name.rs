//! A handler with a slip in its name: `check_app!` knows which event it is for.

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
