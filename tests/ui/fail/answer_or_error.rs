//! An error that closes the connection, but that its author could expect the client to receive.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Bid {}

#[derive(Debug, serde::Serialize)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bid is refused")
    }
}

impl std::error::Error for Refused {}

type Outcome = Result<(), Refused>;

#[derive(Default)]
struct Auction;

#[consumer]
impl Auction {
    #[receive("bid")]
    async fn bid(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<(), Refused> {
        Ok(())
    }

    #[receive("sell")]
    async fn sell(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Outcome {
        Ok(())
    }
}

fn main() {}
