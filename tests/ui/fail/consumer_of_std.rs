//! A consumer is a type of your own.

use channels_runtime::prelude::*;

#[consumer]
impl String {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

fn main() {}
