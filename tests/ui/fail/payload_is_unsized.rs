//! Payloads of unsized types: text, a list, a trait object.

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

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, message: &str) -> Result<()> {
        cx.send_text(message).await
    }

    #[handler("chat.history")]
    fn chat_history(events: &[ChatMessage]) -> String {
        events.len().to_string()
    }

    #[handler("chat.any")]
    async fn chat_any(&mut self, _cx: &mut Context<Self>, _event: &dyn std::any::Any) {}
}

fn main() {}
