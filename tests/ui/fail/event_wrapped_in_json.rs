//! The payload of a handler is the event itself, without a wrapper such as `Json` or `Arc`.

use std::collections::HashMap;
use std::sync::Arc;

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.kick")]
struct ChatKick {
    reason: String,
}

#[event("chat.leave")]
struct ChatLeave;

#[group("room", events(ChatMessage, ChatKick, ChatLeave))]
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
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &Json<ChatMessage>) -> Result<()> {
        cx.send_text(&event.0.message).await
    }

    #[handler("chat.kick")]
    fn chat_kick(event: &Arc<ChatKick>) -> String {
        event.reason.clone()
    }

    #[handler("chat.leave")]
    async fn chat_leave(&mut self, _cx: &mut Context<Self>, _event: Option<&ChatLeave>) {}

    #[handler("chat.join")]
    fn chat_join(event: &HashMap<String, String>) -> String {
        event["username"].clone()
    }
}

fn main() {}
