//! Events that cannot leave Rust, and one that no consumer of the contract handles.

use channels_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Place {
    x: u8,
}

#[event("place.changed")]
struct PlaceChanged {
    place: Option<Place>,
}

#[event("place.left")]
struct PlaceLeft {}

#[group("places", events(PlaceChanged))]
struct Places;

#[group("exits", events(PlaceLeft))]
struct Exits;

#[derive(Default)]
struct PlaceConsumer;

#[consumer]
impl PlaceConsumer {
    #[handler("place.changed")]
    fn changed(&mut self, _cx: &mut Context<Self>, _event: &PlaceChanged) {}
}

contract! {
    name: "places",
    routes: [PlaceConsumer at "/places/"],
    groups: [Places, Exits],
    direct: [PlaceChanged],
}

fn main() {}
