//! A path as text.

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

#[derive(Default)]
struct NewsConsumer;

#[event("news")]
struct News {
    headline: String,
}

#[consumer]
impl NewsConsumer {
    #[handler("news")]
    fn news(event: &News) -> String {
        event.headline.clone()
    }
}

fn main() {
    let channels = Channels::builder().build().unwrap();
    let _ = channels.route::<ChatConsumer>("/ws/chat/<room>/");
    let _ = channels.sse::<NewsConsumer>("/news");
}
