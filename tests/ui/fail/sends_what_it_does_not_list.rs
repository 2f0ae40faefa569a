//! `cx.send` sends what `sends(..)` lists.

use channels_runtime::prelude::*;

#[derive(serde::Serialize)]
struct Joined;

#[derive(serde::Serialize)]
struct Left;

#[derive(Default)]
struct ChatConsumer;

#[consumer(sends(Joined))]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _frame: Frame) -> Result<()> {
        cx.send(&Joined).await?;
        cx.send(&Left).await
    }
}

fn main() {}
