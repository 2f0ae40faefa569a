//! A handler without `self` returns what is sent.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[event("chat.leave")]
struct ChatLeave;

#[event("chat.typing")]
struct ChatTyping {
    who: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(_event: &ChatMessage) {}

    #[handler("chat.join")]
    fn chat_join(_event: &ChatJoin) -> Result<()> {
        Ok(())
    }

    #[handler("chat.leave")]
    async fn chat_leave(_event: &ChatLeave) -> u64 {
        1
    }

    #[handler("chat.typing")]
    fn chat_typing(event: &ChatTyping) -> &str {
        &event.who
    }
}

fn main() {}
