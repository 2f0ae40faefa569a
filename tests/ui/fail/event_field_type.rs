//! `type` is the name of the event on the wire.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    r#type: String,
}

#[event("chat.join")]
struct ChatJoin {
    #[serde(rename = "type")]
    kind: String,
}

#[event("chat.leave")]
#[serde(rename_all = "camelCase")]
struct ChatLeave {
    type_: String,
}

#[event("chat.typing")]
#[serde(tag = "type")]
struct ChatTyping {
    who: String,
}

fn main() {}
