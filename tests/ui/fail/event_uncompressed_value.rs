//! `uncompressed` of an event stands alone.

use channels_runtime::prelude::*;

#[event("invite.created", uncompressed = true)]
struct InviteCreated {
    token: String,
}

fn main() {}
