//! A group carries an event that no consumer of the application handles.

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

#[event("chat.leave")]
struct ChatLeave;

#[event("chat.kick")]
struct ChatKick;

#[group("room_{id}", events(ChatMessage, ChatJoin, ChatLeave))]
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
}

check_app! {
    consumers: [ChatConsumer],
    groups: [Room],
    direct: [ChatKick],
}

fn main() {}
