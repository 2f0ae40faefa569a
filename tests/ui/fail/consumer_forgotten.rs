//! Attributes of methods in a block that is not marked `#[consumer]`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct ChatConsumer {
    said: u64,
}

impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self { said: 0 })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        self.said += 1;
        cx.send_text(text).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {
        println!("{} said", self.said);
    }

    #[layer_lost]
    async fn lost(&mut self, _cx: &mut Context<Self>) {}

    #[layer_restored]
    async fn restored(&mut self, _cx: &mut Context<Self>) {}

    #[history_lost]
    async fn history_lost(&mut self, _cx: &mut Context<Self>, _lost: &HistoryLost) {}
}

fn main() {}
