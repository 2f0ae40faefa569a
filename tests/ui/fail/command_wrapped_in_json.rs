//! A command is read from JSON without the wrapper `Json`.

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
    async fn say(&mut self, _cx: &mut Context<Self>, _command: Json<Say>) {}

    #[receive("shout")]
    async fn shout(&mut self, _cx: &mut Context<Self>, _command: Option<Say>) {}
}

fn main() {}
