//! A history needs its size and its time.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("a", events(ChatMessage), history(size = 50))]
struct A;

#[group("b", events(ChatMessage), history(ttl = "2h"))]
struct B;

#[group("c", events(ChatMessage), history())]
struct C;

#[group("d", events(ChatMessage), history)]
struct D;

fn main() {}
