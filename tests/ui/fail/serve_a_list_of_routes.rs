//! Routes are combined by `or`.

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
    let channels = Channels::builder().build()?;
    let a = channels.route::<ChatConsumer>(warp::path!("a"));
    let b = channels.route::<ChatConsumer>(warp::path!("b"));
    channels.serve([a, b], "127.0.0.1:8000").await
}
