//! The name of a group names its fields.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{ids}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[group("user_{}", events(ChatMessage))]
struct User {
    name: String,
}

#[group("day_{day:02}", events(ChatMessage))]
struct Day {
    day: u8,
}

fn main() {}
