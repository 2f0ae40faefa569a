//! Two methods for one command of the client.

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
    async fn say(&mut self, _cx: &mut Context<Self>, _command: Say) {}

    #[receive("say")]
    async fn shout(&mut self, _cx: &mut Context<Self>, _command: Say) {}
}

fn main() {}
