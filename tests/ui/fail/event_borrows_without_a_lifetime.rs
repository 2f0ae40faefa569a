//! A field that borrows, for which the compiler alone would ask for a lifetime.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: &str,
    tags: Option<&[u8]>,
    kind: &'static str,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.to_owned()
    }
}

fn main() {}
