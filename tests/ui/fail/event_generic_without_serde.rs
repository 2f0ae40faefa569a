//! A generic event of something that serde cannot write.

use channels_runtime::prelude::*;

#[event("wrapped")]
struct Wrapped<T> {
    inner: T,
}

struct Plain;

#[group("all", events(Wrapped<Plain>))]
struct All;

fn main() {}
