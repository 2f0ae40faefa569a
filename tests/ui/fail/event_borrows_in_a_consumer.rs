//! A borrowed field is one error, also where the event is used.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage<'a> {
    message: &'a str,
    tags: Vec<&'a str>,
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room { id: 1 }).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.to_owned()
    }
}

fn main() {}
