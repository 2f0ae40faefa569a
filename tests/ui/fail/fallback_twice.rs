//! Two `#[handler(_)]` methods, and two `#[receive(_)]` methods.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler(_)]
    async fn unknown(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}

    #[handler(_)]
    async fn also_unknown(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}

    #[receive(_)]
    async fn refused(&mut self, _cx: &mut Context<Self>, _error: CommandError) {}

    #[receive(_)]
    async fn also_refused(&mut self, _cx: &mut Context<Self>, _error: CommandError) {}
}

fn main() {}
