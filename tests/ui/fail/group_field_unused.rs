//! Groups that differ in a field have different names.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
    floor: u64,
}

fn main() {}
