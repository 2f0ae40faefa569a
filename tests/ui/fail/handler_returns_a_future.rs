//! A handler that waits is an `async fn`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }
}

fn main() {}
