//! A server and a test client take routes.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text).await
    }
}

fn routes(channels: &Channels) -> impl warp::Filter {
    channels.route::<ChatConsumer>(warp::path!("chat"))
}

#[tokio::main]
async fn main() -> Result<()> {
    let channels = Channels::builder().build().unwrap();
    WebsocketCommunicator::new(ChatConsumer, "/chat");
    channels.serve(ChatConsumer, ([127, 0, 0, 1], 8000)).await?;
    channels.serve(channels.clone(), ([127, 0, 0, 1], 8000)).await?;
    channels.serve(routes(&channels), ([127, 0, 0, 1], 8000)).await
}
