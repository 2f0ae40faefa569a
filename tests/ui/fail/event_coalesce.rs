//! `coalesce` names a field that travels, and whose values can be told apart; `volatile` stands alone.

use channels_runtime::prelude::*;

#[event("cursor.move", coalesce = "user")]
struct CursorMove {
    user_id: u64,
    at: f64,
}

#[event("cursor.drag", coalesce = "at")]
struct CursorDrag {
    user_id: u64,
    at: f64,
}

#[event("cursor.rest", coalesce = "seen")]
struct CursorRest {
    user_id: u64,
    #[serde(skip)]
    seen: u64,
}

#[event("cursor.click", coalesce = user_id)]
struct CursorClick {
    user_id: u64,
}

#[event("cursor.gone", coalesce)]
struct CursorGone {
    user_id: u64,
}

#[event("cursor.blink", coalesce = "user_id")]
struct CursorBlink;

#[event("cursor.jump", volatile = "yes")]
struct CursorJump {
    user_id: u64,
}

#[event("cursor.hide", volatil)]
struct CursorHide {
    user_id: u64,
}

fn main() {}
