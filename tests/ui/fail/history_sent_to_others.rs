//! An event that the group keeps reaches its sender after a reconnect, so it cannot be sent to the others only.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room_{id}", events(ChatMessage), history(size = 100, ttl = "10m"))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, message: String) -> Result<()> {
        cx.group_send_others(&Room { id: 7 }, &ChatMessage { message }).await
    }
}

fn main() {}
