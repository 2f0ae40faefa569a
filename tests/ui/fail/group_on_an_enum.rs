//! A group is a struct.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage))]
enum Room {
    Id(u64),
}

#[group("room_{0}", events(ChatMessage))]
struct Other(u64);

fn main() {}
