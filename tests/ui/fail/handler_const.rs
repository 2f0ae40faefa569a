//! A handler runs when there is a connection.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    const fn chat_message(_event: &ChatMessage) -> &'static str {
        "hi"
    }

    #[handler("chat.join")]
    unsafe fn chat_join(_event: &ChatJoin) -> &'static str {
        "hi"
    }
}

fn main() {}
