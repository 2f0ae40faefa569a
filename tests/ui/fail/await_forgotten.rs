//! A call without `.await` has no effect.

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
    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(&event.message)
    }

    #[receive]
    async fn say(&mut self, cx: &mut Context<Self>, message: String) -> Result<()> {
        cx.group_send(&Room { id: 1 }, &ChatMessage { message })
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, _code: CloseCode) -> Result<()> {
        cx.group_add(&Room { id: 7 })?;
        Ok(())
    }
}

fn main() {}
