//! What `sends(..)` lists can be written.

use channels_runtime::prelude::*;

struct Joined;

#[derive(Default)]
struct ChatConsumer;

#[consumer(sends(Joined))]
impl ChatConsumer {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _frame: Frame) {}
}

fn main() {}
