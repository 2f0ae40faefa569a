//! Two `#[disconnect]` methods.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[disconnect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}

    #[disconnect]
    async fn close(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

fn main() {}
