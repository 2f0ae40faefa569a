//! Only events can be sent through the layer.

use std::time::Duration;

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room", events(ChatMessage))]
struct Room;

struct Line {
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.after(Duration::from_secs(1), &text)?;
        cx.group_send(&Room, &text).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

async fn outside(layer: &ChannelLayer, channel: &ChannelName<ChatConsumer>) -> Result<()> {
    layer.group_send(&Room, &serde_json::json!({"type": "chat.message"})).await?;
    layer.send(channel, &Line { text: "hi".into() }).await?;
    layer.group_send(&ChatMessage { message: "hi".into() }, &Room).await?;
    Ok(())
}

fn main() {}
