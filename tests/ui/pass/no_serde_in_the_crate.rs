//! Events need no serde of the user's own.

use channels_runtime::prelude::*;

mod serde {}

#[event("chat.message")]
struct ChatMessage {
    message: String,
    tags: Vec<String>,
}

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        format!("{} {:?}", event.message, event.tags)
    }
}

#[test]
fn compiles() {}
