//! A context must not outlive the call.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &'static mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text).await
    }
}

fn main() {}
