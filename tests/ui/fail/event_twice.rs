//! Two `#[event]` attributes on one struct.

use channels_runtime::prelude::*;

#[event("chat.message")]
#[event("chat.line")]
struct ChatMessage {
    message: String,
}

fn main() {
    let _ = ChatMessage { message: String::new() };
}
