//! An event travels as a map.

use channels_runtime::prelude::*;

#[event("chat.message")]
enum Chat {
    Message(String),
    Join,
}

#[event("chat.join")]
struct ChatJoin(String);

#[event("chat.leave")]
fn leave() {}

fn main() {}
