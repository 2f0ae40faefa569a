//! A consumer that lists its groups joins no other, and handles what they carry.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("news")]
struct News;

#[group("room", events(ChatMessage))]
struct Room;

#[group("hall", events(ChatMessage))]
struct Hall;

#[group("everyone", events(News))]
struct Everyone;

struct ChatConsumer;

#[consumer(groups(Room, Everyone))]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        cx.group_add(&Hall).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {}
