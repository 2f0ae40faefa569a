//! `#[receive]` and `#[disconnect]` reply with `cx`.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Say {
    #[allow(dead_code)]
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, command: Say) -> String {
        command.text
    }

    #[disconnect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>, code: CloseCode) -> CloseCode {
        code
    }
}

fn main() {}
