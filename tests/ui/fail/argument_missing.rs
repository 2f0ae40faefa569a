//! Methods that lack an argument.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(serde::Deserialize)]
struct Say {
    #[allow(dead_code)]
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    async fn chat_message(&mut self, _cx: &mut Context<Self>) {}

    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>) {}

    #[disconnect]
    async fn disconnect(&mut self) {}
}

fn main() {}
