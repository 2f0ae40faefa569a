//! Methods that lack the context.

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
    #[connect]
    async fn connect() -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, _event: &ChatMessage) {}

    #[receive("say")]
    async fn say(&mut self, _command: Say) {}
}

fn main() {}
