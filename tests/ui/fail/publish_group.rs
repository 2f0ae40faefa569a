//! Groups that cannot be found by their names.

use std::fmt;

use channels_runtime::prelude::*;
use channels_runtime::web::Publish;

#[event("paint.dried")]
struct PaintDried {}

struct Colour(u32);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

#[group("paint-{colour}", events(PaintDried))]
struct Paint {
    colour: Colour,
}

fn main() {
    let _ = Publish::builder().group::<Paint>();
    let _ = Publish::builder().group::<PaintDried>();
}
