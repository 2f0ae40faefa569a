//! A misspelt attribute on a method that fits another attribute, or none: the intended one is unknown.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room", events(ChatMessage))]
struct Room;

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        Ok(Self)
    }

    #[recieve]
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[conncet]
    #[receive]
    fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}

    #[handlr]
    fn helper(&self) {}
}

fn main() {}
