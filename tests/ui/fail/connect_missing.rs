//! A consumer without `#[connect]` and without `Default`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct ChatConsumer {
    user: String,
}

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(format!("{}: {}", self.user, event.message)).await
    }
}

fn main() {}
