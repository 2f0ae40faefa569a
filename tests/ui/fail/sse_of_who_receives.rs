//! A client of server-sent events cannot send, so its consumer has no `#[receive]`.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text).await
    }
}

fn main() {
    let channels = Channels::builder().build().unwrap();
    let _chat = channels.sse::<ChatConsumer>(warp::path!("chat"));
}
