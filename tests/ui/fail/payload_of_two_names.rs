//! One event under two names of its type.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

type Line = ChatMessage;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.join")]
    fn chat_join(event: &Line) -> String {
        event.message.clone()
    }
}

fn main() {}
