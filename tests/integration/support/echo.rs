//! The smallest consumer.

use channels_runtime::prelude::*;

/// Returns every frame to its client.
#[derive(Default)]
pub(crate) struct Echo;

#[consumer]
impl Echo {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) -> Result<()> {
        cx.send_frame(frame).await
    }
}
