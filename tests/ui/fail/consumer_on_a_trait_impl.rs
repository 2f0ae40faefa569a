//! `#[consumer]` above the methods of a trait.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

trait Talks {
    fn chat_message(event: &ChatMessage) -> String;
}

struct ChatConsumer;

#[consumer]
impl Talks for ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
