//! `_` where a type is needed.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, _cx: &mut Context<Self>, _command: _) {}
}

fn main() {}
