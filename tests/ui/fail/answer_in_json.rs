//! An answer is always JSON, so it has no wrapper.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Bid {}

#[derive(serde::Serialize)]
struct Taken;

#[derive(Default)]
struct Auction;

#[consumer]
impl Auction {
    #[receive("bid")]
    async fn bid(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<Json<Taken>> {
        Ok(Json(Taken))
    }
}

fn main() {}
