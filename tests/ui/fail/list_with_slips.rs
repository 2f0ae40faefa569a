//! Lists of types with a `&`, and without a comma.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[event("chat.join")]
struct ChatJoin {
    username: String,
}

#[group("room", events(&ChatMessage, ChatJoin))]
struct Room;

#[group("lobby", events(ChatMessage ChatJoin))]
struct Lobby;

fn main() {}
