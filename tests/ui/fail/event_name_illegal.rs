//! Names that Channels could not call.

use channels_runtime::prelude::*;

#[event("")]
struct E0;
#[event("_chat")]
struct E1;
#[event(".chat")]
struct E2;
#[event("chat message")]
struct E3;
#[event("chat-message")]
struct E4;
#[event("chat€")]
struct E5;
#[event("chat/message")]
struct E6;
#[event("1.chat")]
struct E7;

fn main() {}
