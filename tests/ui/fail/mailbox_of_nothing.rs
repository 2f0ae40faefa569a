//! A mailbox policy on a consumer without a `#[handler]` that takes `&mut self`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct Rendered;

#[consumer(mailbox = "disconnect")]
impl Rendered {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
