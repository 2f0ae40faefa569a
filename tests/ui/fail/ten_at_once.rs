//! Ten mistakes give ten errors, each once, and the valid methods still expand.

use channels_runtime::prelude::*;
use channels_runtime::Consumer;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[derive(serde::Deserialize)]
struct Say {
    #[allow(dead_code)]
    text: String,
}

#[event("chat.leave")]
struct ChatLeave;

#[event("chat.typing")]
struct ChatTyping;

struct NoEvent;

#[derive(Default)]
struct ChatConsumer;

#[consumer(tags = "command")]
impl ChatConsumer {
    #[connect]
    async fn connect(&self, _cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[handlr("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }

    #[handler("chat.joined")]
    fn chat_join(event: &ChatJoin) -> String {
        event.username.clone()
    }

    #[handler("chat.leave")]
    fn chat_leave(_event: ChatLeave) -> String {
        String::new()
    }

    #[handler("chat.typing")]
    fn chat_typing(_event: &ChatTyping) -> u64 {
        0
    }

    #[handler("no.event")]
    fn no_event(_event: &NoEvent) -> String {
        String::new()
    }

    #[receive("say hi")]
    async fn say(&mut self, _cx: &mut Context<Self>, _command: Say) {}

    #[receive]
    async fn frame(&mut self, _frame: Frame) {}

    #[disconnect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>) {}
}

fn main() {
    // The right handlers are there, though their neighbours are wrong.
    type Event = <ChatConsumer as Consumer>::Event;
    let _ = Event::ChatMessage(ChatMessage { message: String::new() });
}
