//! An event outlives its sender.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage<'a> {
    message: &'a str,
}

fn main() {}
