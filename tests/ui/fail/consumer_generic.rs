//! A consumer is one type.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer<T> {
    inner: T,
}

#[consumer]
impl<T: Default> ChatConsumer<T> {
    #[handler("chat.message")]
    async fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) {}
}

fn main() {}
