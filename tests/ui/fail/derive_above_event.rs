//! `#[event]` does not see a derive above it.

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
#[derive(Serialize, Deserialize)]
struct ChatJoin;

fn main() {}
