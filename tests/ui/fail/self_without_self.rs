//! A body that uses the `self` that its method does not take.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct ChatConsumer {
    name: String,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self { name: self.name })
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        format!("{}: {}", self.name, event.message)
    }
}

fn main() {}
