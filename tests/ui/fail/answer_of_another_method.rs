//! Only a command with a name answers.

use channels_runtime::prelude::*;

#[derive(Default)]
struct Auction;

#[consumer]
impl Auction {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) -> Result<u32, String> {
        Ok(7)
    }

    #[receive(_)]
    async fn refused(&mut self, _cx: &mut Context<Self>, _error: CommandError) -> Result<u32, String> {
        Ok(7)
    }
}

fn main() {}
