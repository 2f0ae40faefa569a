//! A client sends text or bytes.

use channels_runtime::prelude::*;

struct Say;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _say: Say) {}
}

fn main() {}
