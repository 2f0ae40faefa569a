//! A command that serde cannot read.

use channels_runtime::prelude::*;

struct Say {
    text: String,
}

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, command: Say) -> Result<()> {
        cx.send_text(command.text).await
    }
}

fn main() {}
