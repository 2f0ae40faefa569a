//! The lists of `check_app!`, with wrong names and contents.

use channels_runtime::check_app;

struct Plain;

check_app! {
    consumer: [Plain],
    groups: Plain,
    direct: ["chat.kick"],
    rooms: [Plain],
}

fn main() {}
