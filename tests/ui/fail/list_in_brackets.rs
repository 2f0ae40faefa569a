//! Lists of types that are not in parentheses.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room", events = [ChatMessage])]
struct Room;

#[group("hall", ChatMessage)]
struct Hall;

struct ChatConsumer;

#[consumer(groups = [Room, Hall])]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        cx.group_add(&Hall).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, message: String) -> Result<()> {
        cx.group_send(&Room, &ChatMessage { message }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
