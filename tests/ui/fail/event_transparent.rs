//! An event is a map, even of one field.

use channels_runtime::prelude::*;

#[event("chat.message")]
#[serde(transparent)]
struct ChatMessage {
    message: String,
}

fn main() {}
