//! A macro sees the names of constants and types, but not their values.

use channels_runtime::prelude::*;

const MESSAGE: &str = "chat.message";
const ROOM: &str = "room";

#[event(MESSAGE)]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group(ROOM, events(ChatJoin))]
struct Room;

#[derive(serde::Deserialize)]
struct Say {
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive(MESSAGE)]
    async fn say(&mut self, cx: &mut Context<Self>, command: Say) -> Result<()> {
        cx.send_text(command.text).await
    }

    #[handler(ChatMessage::TYPE)]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler(ChatJoin)]
    fn chat_join(event: &ChatJoin) -> String {
        event.username.clone()
    }
}

fn main() {}
