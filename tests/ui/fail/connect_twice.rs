//! Two `#[connect]` methods.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self)
    }

    #[connect]
    async fn open(_cx: &mut Context<Self>) -> Result<Self, Reject> {
        Ok(Self)
    }
}

fn main() {}
