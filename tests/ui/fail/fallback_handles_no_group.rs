//! The handler for events without a handler of their own does not count as a handler of a group's events.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room", events(ChatMessage))]
struct Room;

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        Ok(Self)
    }

    #[handler(_)]
    async fn unknown(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}
}

fn main() {}
