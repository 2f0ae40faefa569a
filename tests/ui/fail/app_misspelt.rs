//! The lists of an application, and what may stand in them.

use channels_runtime::check_app;

struct Plain;

check_app! {
    consumer: [Plain],
    groups: Plain,
    direct: ["chat.kick"],
    rooms: [Plain],
}

fn main() {}
