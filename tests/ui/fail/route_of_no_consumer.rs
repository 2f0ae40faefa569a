//! A route serves a consumer.

use channels_runtime::prelude::*;

struct ChatConsumer;

impl ChatConsumer {}

fn main() {
    let channels = Channels::builder().build().unwrap();
    let _ = channels.route::<ChatConsumer>(warp::path!("ws" / "chat"));
}
