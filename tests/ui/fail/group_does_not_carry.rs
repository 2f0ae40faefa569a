//! The group does not carry the event.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.group_send(&Room { id: 1 }, &ChatJoin { username: text }).await
    }
}

async fn outside(layer: &ChannelLayer) -> Result<()> {
    layer.group_send(&Room { id: 1 }, &ChatJoin { username: "ann".into() }).await?;
    Ok(())
}

fn main() {}
