//! The enums of a consumer have names that the user may have taken.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Debug)]
enum ChatEvent {
    Opened,
}

struct ChatCommand;

#[derive(Default)]
struct Chat;

#[consumer]
impl Chat {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        format!("{:?} {}", ChatEvent::Opened, event.message)
    }
}

fn main() {
    let _ = Channels::builder().build().unwrap().route::<Chat>(warp::path!("ws"));
    let _ = ChatCommand;
}
