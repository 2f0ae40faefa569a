//! A history keeps from 1 to 1000 events.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("a", events(ChatMessage), history(size = 0, ttl = "10m"))]
struct A;

#[group("b", events(ChatMessage), history(size = 5000, ttl = "10m"))]
struct B;

#[group("c", events(ChatMessage), history(size = "100", ttl = "10m"))]
struct C;

#[group("d", events(ChatMessage), history(size = HISTORY_SIZE, ttl = "10m"))]
struct D;

fn main() {}
