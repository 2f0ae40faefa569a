//! Text that is sent must be text, also in a test.

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};

#[derive(Default)]
struct CountConsumer {
    count: u64,
}

#[consumer]
impl CountConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        self.count += text.len() as u64;
        cx.send_text(self.count).await
    }
}

async fn it_counts(mut client: WebsocketCommunicator) -> Result<(), CommunicatorError> {
    client.send_to(7).await
}

fn main() {}
