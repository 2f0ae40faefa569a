//! Other words in place of `_`, and a list in the wrong brackets.

use channels_runtime::prelude::*;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[handler(*)]
    async fn unknown(&mut self, _cx: &mut Context<Self>, _event: &Envelope) {}

    #[receive("_")]
    async fn refused(&mut self, _cx: &mut Context<Self>, _error: CommandError) {}
}

check_app! { consumers(ChatConsumer) }

fn main() {}
