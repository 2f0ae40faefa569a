//! Fields without serde: of an own type, of a type with only one of the two traits, of a type from another crate.

use std::time::Instant;

use channels_runtime::prelude::*;

struct User;

#[event("chat.message")]
struct ChatMessage {
    user: User,
    message: String,
}

#[derive(serde::Serialize)]
struct Place;

#[event("chat.move")]
struct ChatMove {
    #[serde(default)]
    places: Vec<Place>,
}

#[event("chat.seen")]
struct ChatSeen {
    at: Option<Instant>,
}

#[group("room", events(ChatMessage, ChatMove, ChatSeen))]
struct Room;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
