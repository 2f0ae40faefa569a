//! An application's close code that the protocol reserves.

use channels_runtime::prelude::*;

const KICKED: CloseCode = CloseCode::app::<1005>();

fn main() {
    let _ = KICKED;
}
