//! A field that serde cannot write.

use channels_runtime::prelude::*;

struct User;

#[event("chat.message")]
struct ChatMessage {
    user: User,
}

fn main() {}
