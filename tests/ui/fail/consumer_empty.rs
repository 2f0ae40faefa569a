//! `#[consumer]` on a block without methods that it can call.

use channels_runtime::prelude::*;

#[derive(Default)]
struct Empty;

#[consumer]
impl Empty {}

#[derive(Default)]
struct Unmarked;

#[consumer]
impl Unmarked {
    pub fn chat_message(&mut self) {}
}

fn main() {}
