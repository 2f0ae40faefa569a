//! A field of a name, as it is written elsewhere.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_<id>", events(ChatMessage))]
struct Django {
    id: u64,
}

#[group("room_:id", events(ChatMessage))]
struct Express {
    id: u64,
}

#[group("room_{ id }", events(ChatMessage))]
struct Spaced {
    id: u64,
}

#[group("room_{self.id}", events(ChatMessage))]
struct Itself {
    id: u64,
}

#[group("room_${id}", events(ChatMessage))]
struct Script {
    id: u64,
}

#[group("room_%s", events(ChatMessage))]
struct Python {
    id: u64,
}

fn main() {}
