//! Two consumers whose enums would have one name.

use channels_runtime::prelude::*;

#[derive(Default)]
struct Wrap<T>(T);

#[consumer]
impl Wrap<u8> {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

#[consumer]
impl Wrap<u16> {
    #[receive]
    async fn receive(&mut self, _cx: &mut Context<Self>, _text: String) {}
}

fn main() {}
