//! The fields of a command and of its answer have different names.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Bid {}

#[derive(Default)]
struct Auction;

#[consumer(tag = "ref", ok = "result", error = "result")]
impl Auction {
    #[receive("bid")]
    async fn bid(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<u32, String> {
        Ok(7)
    }
}

fn main() {}
