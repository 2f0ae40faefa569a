//! Groups that can have one name: a member of one would receive the events of the other.

use channels_runtime::check_app;
use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("chat_{room}", events(ChatMessage))]
struct Room {
    room: u64,
}

#[group("chat_{user}", events(ChatMessage))]
struct Direct {
    user: String,
}

#[group("chat_lobby", events(ChatMessage))]
struct Lobby;

#[group("chat_{room}_staff", events(ChatMessage))]
struct Staff {
    room: u64,
}

#[group("room_{id}", events(ChatMessage))]
struct Other {
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
    groups: [Room, Staff, Other, Direct, Lobby],
}

fn main() {}
