//! A history keeps events from 1 second to 24 hours, which is written as text.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("a", events(ChatMessage), history(size = 100, ttl = "10 minutes"))]
struct A;

#[group("b", events(ChatMessage), history(size = 100, ttl = 600))]
struct B;

#[group("c", events(ChatMessage), history(size = 100, ttl = 10m))]
struct C;

#[group("d", events(ChatMessage), history(size = 100, ttl = "7d"))]
struct D;

#[group("e", events(ChatMessage), history(size = 100, ttl = "48h"))]
struct E;

#[group("f", events(ChatMessage), history(size = 100, ttl = "0s"))]
struct F;

#[group("g", events(ChatMessage), history(size = 100, ttl = "1h30m"))]
struct G;

fn main() {}
