//! A consumer moves between threads.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer {
    seen: std::rc::Rc<u64>,
}

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(format!("{} {}", self.seen, event.message)).await
    }
}

fn main() {}
