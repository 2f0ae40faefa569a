//! One method has a syntax error, and the others are unchanged.

use channels_runtime::prelude::*;
use channels_runtime::Consumer;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group("room", events(ChatMessage, ChatJoin))]
struct Room;

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> {
        event.message.clone()
    }

    #[handler("chat.join")]
    fn chat_join(event: &ChatJoin) -> String {
        event.username.clone()
    }
}

fn main() {
    let _ = Channels::builder().build().unwrap().route::<ChatConsumer>(warp::path!("ws"));
    type Event = <ChatConsumer as Consumer>::Event;
    let _ = Event::ChatJoin(ChatJoin { username: String::new() });
}
