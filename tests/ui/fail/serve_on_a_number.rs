//! An address without a host.

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

#[tokio::main]
async fn main() -> Result<()> {
    let channels = Channels::builder().build().unwrap();
    let chat = channels.route::<ChatConsumer>(warp::path!("chat"));
    channels.serve(chat, 8000).await
}
