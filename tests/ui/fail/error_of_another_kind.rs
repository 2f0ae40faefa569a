//! The error of a handler must implement `std::error::Error`.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct NoError;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, NoError> {
        Err(NoError)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) -> Result<(), NoError> {
        Err(NoError)
    }
}

fn main() {}
