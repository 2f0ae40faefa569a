//! Names of the protocol itself.

use channels_runtime::prelude::*;

#[event("websocket.receive")]
struct Receive;

#[event("http.request")]
struct Request;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler("websocket.disconnect")]
    fn gone(_: &Gone) -> String {
        String::new()
    }
}

#[event("gone")]
struct Gone;

fn main() {}
