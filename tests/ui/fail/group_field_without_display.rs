//! A field of the name is written by `Display`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct Id(u64);

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: Id,
}

fn main() {}
