//! The consumer of a channel name does not handle the event.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

async fn outside(layer: &ChannelLayer, channel: &ChannelName<ChatConsumer>) -> Result<()> {
    layer.send(channel, &ChatMessage { message: "hi".into() }).await?;
    layer.send(channel, &ChatJoin { username: "ann".into() }).await?;
    Ok(())
}

fn main() {}
