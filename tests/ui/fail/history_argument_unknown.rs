//! A history has two arguments, with names.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("a", events(ChatMessage), history(size = 100, tll = "10m"))]
struct A;

#[group("b", events(ChatMessage), history(length = 100, ttl = "10m"))]
struct B;

#[group("c", events(ChatMessage), history(100, "10m"))]
struct C;

#[group("d", events(ChatMessage), history(size = 100 ttl = "10m"))]
struct D;

#[group("e", events(ChatMessage), histroy(size = 100, ttl = "10m"))]
struct E;

#[group("f", events(ChatMessage), history(size = 100, ttl = "10m"), history(size = 5, ttl = "10s"))]
struct F;

fn main() {}
