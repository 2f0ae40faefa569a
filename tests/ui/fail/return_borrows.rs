//! The result of a handler without `self` borrows from its event, which the return type does not show.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    text: &'a str,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line { text: &event.message })
    }
}

fn main() {}
