//! Attributes on items that they do not support.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[event("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.message")]
    const NAME: &'static str = "";

    #[receive]
    #[disconnect]
    async fn all(&mut self, _cx: &mut Context<Self>, _frame: Frame) {}
}

fn main() {}
