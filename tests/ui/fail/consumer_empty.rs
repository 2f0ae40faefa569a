//! `#[consumer]` above nothing that could happen.

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
