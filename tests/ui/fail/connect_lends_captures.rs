//! Captures are passed to `#[connect]` by value.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>, _room: &str) -> Result<Self, Reject> {
        Ok(Self)
    }
}

fn main() {}
