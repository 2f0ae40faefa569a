//! Text in place of a channel name.

use channels_runtime::prelude::*;

#[event("chat.kick")]
struct ChatKick {
    reason: String,
}

async fn kick(layer: &ChannelLayer, stored: String) -> Result<()> {
    layer.send(&stored, &ChatKick { reason: "too loud".into() }).await?;
    Ok(())
}

fn main() {}
