//! A handler that was copied, and not renamed.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.kick")]
struct ChatKick {
    reason: String,
}

#[group("room", events(ChatMessage, ChatKick))]
struct Room;

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(&*event.message).await
    }

    #[handler("chat.kick")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatKick) -> Result<()> {
        cx.send_text(&*event.reason).await
    }
}

fn main() {}
