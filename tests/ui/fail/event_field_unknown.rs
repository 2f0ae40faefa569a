//! A field of a type that is not imported.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    user: User,
    message: String,
}

fn main() {}
