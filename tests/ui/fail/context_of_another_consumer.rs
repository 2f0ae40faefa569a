//! The context is that of the consumer itself.

use channels_runtime::prelude::*;

struct AdminConsumer;

struct ChatConsumer;

type Itself = ChatConsumer;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<AdminConsumer>) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<AdminConsumer>, event: &ChatMessage) -> Result<()> {
        cx.send_text(&event.message).await
    }

    #[receive]
    fn receive(&mut self, _cx: &mut Context<AdminConsumer>, _text: String) {}

    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Itself>, _code: CloseCode) {}
}

fn main() {}
