//! A method that runs for a connection lacks `self`.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer {
    lines: u64,
}

#[consumer]
impl ChatConsumer {
    #[receive]
    async fn receive(cx: &mut Context<Self>, _text: String) -> Result<()> {
        self.lines += 1;
        cx.send_text(self.lines.to_string()).await
    }
}

fn main() {}
