//! Channels calls one method for both names.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat_message")]
struct Other;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn one(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat_message")]
    fn two(_: &Other) -> &'static str {
        "other"
    }
}

fn main() {}
