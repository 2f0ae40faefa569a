//! The fields of an event and of a command, as arguments of their own.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    username: String,
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
    at: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _room: u64, _text: String) {}

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, username: &str, message: &str) -> Result<()> {
        cx.send_text(format!("{username}: {message}")).await
    }

    #[handler("chat.join")]
    fn chat_join(username: String, at: u64) -> String {
        format!("{username} at {at}")
    }
}

fn main() {}
