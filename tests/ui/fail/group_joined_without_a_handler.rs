//! The consumer does not handle all that the group carries.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group("room_{id}", events(ChatMessage, ChatJoin))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Result<Self, Reject> {
        cx.group_add(&Room { id }).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
