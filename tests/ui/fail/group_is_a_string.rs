//! A group is a value of a struct, not its name.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        cx.group_add("room").await?;
        cx.group_send("room", &ChatMessage { message: room }).await?;
        cx.group_discard("room").await?;
        Ok(Self)
    }
}

async fn outside(layer: &ChannelLayer, room: String) -> Result<()> {
    layer.group_send(&room, &ChatMessage { message: "hi".into() }).await?;
    Ok(())
}

fn job(layer: &ChannelLayer) -> Result<()> {
    layer.blocking().group_send("room", &ChatMessage { message: "hi".into() })?;
    Ok(())
}

fn main() {}
