//! A group carries events, each once, and nothing else.

use channels_runtime::prelude::*;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

struct Plain;

#[group("a")]
struct A;

#[group("b", events())]
struct B;

#[group("c", events(ChatMessage, ChatMessage))]
struct C;

#[group("d", events(Plain))]
struct D;

#[group("e", events("chat.message"))]
struct E;

fn main() {}
