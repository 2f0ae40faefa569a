//! A worker has no client, so its consumer cannot send to one.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[derive(Default)]
struct Sending;

#[consumer]
impl Sending {
    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        cx.send_text(&event.message).await
    }
}

#[derive(Default)]
struct Rendering;

#[consumer]
impl Rendering {
    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.message.clone()
    }
}

fn main() {
    let channels = Channels::builder().build().unwrap();
    let _ = channels.worker::<Sending>("sending");
    let _ = channels.worker::<Rendering>("rendering");
}
