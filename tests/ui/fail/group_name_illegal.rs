//! The names of groups are those of Channels.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("room {id}", events(ChatMessage))]
struct Room {
    id: u64,
}

#[group("räume", events(ChatMessage))]
struct Rooms;

#[group("", events(ChatMessage))]
struct Nothing;

#[group("abcdefghij_abcdefghij_abcdefghij_abcdefghij_abcdefghij_abcdefghij_abcdefghij_abcdefghij_{id}", events(ChatMessage))]
struct Long {
    id: u64,
}

fn main() {}
