//! A mailbox has one of three overflow policies.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct Slip;

#[consumer(mailbox = "drop_olds")]
impl Slip {
    #[handler("chat.message")]
    fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) {}
}

#[derive(Default)]
struct Waiting;

#[consumer(mailbox = "block")]
impl Waiting {
    #[handler("chat.message")]
    fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) {}
}

#[derive(Default)]
struct Unquoted;

#[consumer(mailbox = disconnect)]
impl Unquoted {
    #[handler("chat.message")]
    fn chat_message(&mut self, _cx: &mut Context<Self>, _event: &ChatMessage) {}
}

fn main() {}
