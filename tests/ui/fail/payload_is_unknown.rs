//! The payload is a type that does not exist.

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
    fn chat_message(event: &ChatMesage) -> String {
        event.message.clone()
    }
}

fn main() {}
