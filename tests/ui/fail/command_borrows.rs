//! A command outlives the frame that it is read from.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Say {
    #[allow(dead_code)]
    text: &'static str,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _command: Say) {}
}

fn main() {}
