//! `#[connect]` makes the consumer.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(&mut self, _cx: &mut Context<Self>, _room: u64) -> Result<Self, Reject> {
        Ok(Self)
    }
}

fn main() {}
