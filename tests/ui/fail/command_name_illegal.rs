//! Invalid names of commands.

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
    #[receive("say hi")]
    async fn say(&mut self, _cx: &mut Context<Self>, _command: Say) {}

    #[receive("")]
    async fn nothing(&mut self, _cx: &mut Context<Self>, _command: Say) {}

    #[receive(shout)]
    async fn shout(&mut self, _cx: &mut Context<Self>, _command: Say) {}
}

fn main() {}
