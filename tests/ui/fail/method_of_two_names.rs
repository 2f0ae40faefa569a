//! One method for two events, one for two commands.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(serde::Deserialize)]
struct Say {
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say", "shout")]
    async fn say(&mut self, cx: &mut Context<Self>, command: Say) -> Result<()> {
        cx.send_text(command.text).await
    }

    #[handler("chat.message", "chat.line")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
