//! An answer is sent when the command has returned.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Bid {}

#[derive(Default)]
struct Auction {
    item: String,
}

#[consumer]
impl Auction {
    #[receive("bid")]
    async fn bid(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<&str, String> {
        Ok(&self.item)
    }
}

fn main() {}
