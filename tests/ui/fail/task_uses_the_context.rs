//! A task runs concurrently with the handlers and has no context.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.spawn(async move { cx.send_text(text).await })?;
        Ok(())
    }
}

fn main() {}
