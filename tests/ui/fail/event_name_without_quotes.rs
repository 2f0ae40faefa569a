//! A name without quotes, and none at all.

use channels_runtime::prelude::*;

#[event(chat.message)]
struct ChatMessage;

#[event]
struct ChatJoin;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler(chat.message)]
    fn chat_message(_: &ChatMessage) -> String {
        String::new()
    }

    #[handler]
    fn chat_join(_: &ChatJoin) -> String {
        String::new()
    }
}

fn main() {}
