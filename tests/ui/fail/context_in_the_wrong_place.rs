//! The context comes first.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_room: u64, _cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, _event: &ChatMessage, _cx: &mut Context<Self>) {}
}

fn main() {}
