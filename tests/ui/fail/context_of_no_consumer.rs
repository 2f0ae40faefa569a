//! A context without its consumer's type.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context, event: &ChatMessage) -> Result<()> {
        cx.send_text(&*event.message).await
    }
}

fn main() {}
