//! The arguments of the three macros, each misspelt.

use channels_runtime::prelude::*;

#[event("chat.message", crat = channels_runtime)]
struct ChatMessage;

#[group("room", event(ChatMessage))]
struct Room;

#[derive(Default)]
struct ChatConsumer;

#[consumer(grops = [Room], tags = "command")]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _frame: Frame) {}
}

fn main() {}
