//! `Self` is the consumer.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    async fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &Self) {}

    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _command: Self) {}

    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _frame: Json<Self>) {}
}

fn main() {}
