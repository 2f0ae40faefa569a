//! A warning of the compiler, which is an error only if the user denies it.

#![deny(unused_must_use)]

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn say(&mut self, cx: &mut Context<Self>, message: String) {
        cx.group_send(&Room { id: 1 }, &ChatMessage { message });
        cx.send_text("said");
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
