//! The path captures a string, `#[connect]` takes a number.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(_cx: &mut Context<Self>, _room: u64) -> Result<Self, Reject> {
        Ok(Self)
    }
}

fn main() {
    let channels = Channels::builder().build().unwrap();
    let _ = channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String));
}
