//! A method that runs for a connection takes `&mut self`.

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
    async fn chat_message(&self, _cx: &mut Context<Self>, _event: &ChatMessage) {}

    #[receive("say")]
    async fn say(self, _cx: &mut Context<Self>, _command: Say) {}

    #[disconnect]
    async fn disconnect(_cx: &mut Context<Self>, _code: CloseCode) {}
}

fn main() {}
