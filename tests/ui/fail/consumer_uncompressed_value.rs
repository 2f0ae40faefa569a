//! `uncompressed` of a consumer stands alone.

use channels_runtime::prelude::*;

#[derive(Default)]
struct Invites;

#[consumer(uncompressed = "yes")]
impl Invites {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.send_text(text).await
    }
}

fn main() {}
