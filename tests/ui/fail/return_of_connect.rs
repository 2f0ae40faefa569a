//! `#[connect]` returns the consumer.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Other;

#[consumer]
impl Other {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) {}
}

fn main() {}
