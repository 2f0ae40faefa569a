//! A history keeps no volatile events, so it would always be empty.

use channels_runtime::prelude::*;

#[event("chat.typing", volatile)]
struct ChatTyping {
    user: String,
}

#[event("cursor.move", volatile)]
struct CursorMove {}

#[group("room_{id}", events(ChatTyping, CursorMove), history(size = 100, ttl = "10m"))]
struct Room {
    id: u64,
}

fn main() {}
