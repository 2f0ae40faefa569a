//! `#[consumer]` above the struct.

use channels_runtime::prelude::*;

#[consumer]
struct ChatConsumer;

fn main() {}
