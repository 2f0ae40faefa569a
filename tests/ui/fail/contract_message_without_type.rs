//! Messages that another language cannot know: text, and JSON that is made on the spot.

use channels_runtime::prelude::*;

#[event("news.line")]
struct NewsLine {
    text: String,
}

#[derive(Default)]
struct TextConsumer;

#[consumer]
impl TextConsumer {
    #[handler("news.line")]
    fn news_line(event: &NewsLine) -> String {
        event.text.clone()
    }
}

#[derive(Default)]
struct LooseConsumer;

#[consumer]
impl LooseConsumer {
    #[handler("news.line")]
    async fn news_line(&mut self, cx: &mut Context<Self>, event: &NewsLine) -> Result<()> {
        cx.send_json(&json!({"text": event.text})).await
    }
}

contract! {
    name: "news",
    routes: [TextConsumer at "/text/", LooseConsumer at "/loose/"],
}

fn main() {}
