//! The client receives the reply or the refusal of a command, so serde must be able to serialise both.

use channels_runtime::prelude::*;

#[derive(serde::Deserialize)]
struct Bid {}

struct Taken;

#[derive(serde::Serialize)]
struct Refused;

#[derive(Default)]
struct Auction;

#[consumer]
impl Auction {
    #[receive("bid")]
    async fn bid(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<Taken, Refused> {
        Ok(Taken)
    }

    #[receive("sell")]
    fn sell(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<u32, std::io::Error> {
        Ok(7)
    }

    #[receive("count", blocking)]
    fn count(&mut self, _cx: &mut Context<Self>, _command: Bid) -> u32 {
        7
    }

    #[receive("both")]
    async fn both(&mut self, _cx: &mut Context<Self>, _command: Bid) -> Result<Result<u32, Refused>, Refused> {
        Ok(Ok(7))
    }
}

fn main() {}
