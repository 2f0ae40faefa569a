//! Fields of a name without text between them.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage;

#[group("room_{id}{topic}", events(ChatMessage))]
struct Room {
    id: u64,
    topic: u64,
}

fn main() {}
