//! A command is passed to its method by value.

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
    async fn say(&mut self, _cx: &mut Context<Self>, _command: &Say) {}

    #[receive]
    async fn text(&mut self, _cx: &mut Context<Self>, _text: &str) {}
}

fn main() {}
