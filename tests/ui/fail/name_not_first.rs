//! The name must be the first argument, without a key.

use channels_runtime::prelude::*;

#[event(volatile, "cursor.move")]
struct CursorMove;

#[event(name = "cursor.gone")]
struct CursorGone;

#[group(events(CursorMove), "board_{id}")]
struct Board {
    id: u64,
}

#[group(name = "desk", events(CursorGone))]
struct Desk;

fn main() {}
