//! A refusal without a reply, in a command that does not answer: the error is not one that closes the connection.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Bid {}

#[derive(serde::Serialize)]
struct Refused;

#[derive(Default)]
struct Auction;

#[consumer]
impl Auction {
    #[receive("bid")]
    async fn bid(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<(), Refused> {
        Ok(())
    }
}

fn main() {}
