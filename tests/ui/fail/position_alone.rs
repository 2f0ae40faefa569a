//! A handler takes its event before the position of the event.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(at: &Position) -> String {
        at.to_string()
    }
}

fn main() {}
