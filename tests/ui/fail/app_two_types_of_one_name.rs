//! Two event types of one application have the same name.

use channels_runtime::check_app;
use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

mod admin {
    use channels_runtime::prelude::*;

    #[event("chat.message")]
    pub struct Announcement;

    #[group("admins", events(Announcement))]
    pub struct Admins;
}

#[group("room_{id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

check_app! {
    consumers: [ChatConsumer],
    groups: [Room, admin::Admins],
}

fn main() {}
