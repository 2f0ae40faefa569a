//! Fields of types that are not imported.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    user: User,
    message: String,
}

#[event("chat.move")]
struct ChatMove {
    places: Vec<Place>,
}

fn main() {}
