//! The attributes of methods, each misspelt.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[conect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handlr("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[recieve]
    async fn receive(&mut self, _cx: &mut Context<Self>, _frame: Frame) {}

    #[disconect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

fn main() {}
