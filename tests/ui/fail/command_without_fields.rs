//! A command is an object with fields.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _text: String) {}

    #[receive("move")]
    async fn moved(&mut self, _cx: &mut Context<Self>, _to: (u64, u64)) {}

    #[receive("upload")]
    async fn upload(&mut self, _cx: &mut Context<Self>, _file: Frame) {}
}

fn main() {}
