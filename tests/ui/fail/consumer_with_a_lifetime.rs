//! A consumer lives as long as its connection.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct ChatConsumer<'a> {
    name: &'a str,
}

#[consumer]
impl<'a> ChatConsumer<'a> {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self { name: "Ann" })
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(format!("{} {}", self.name, event.message)).await
    }
}

fn main() {}
