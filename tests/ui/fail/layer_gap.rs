//! `#[layer_lost]` and `#[layer_restored]` take `&mut self` and the context, and nothing else.

use channels_runtime::prelude::*;

#[derive(Default)]
struct Arguments;

#[consumer]
impl Arguments {
    #[layer_lost("default")]
    fn lost(&mut self, _cx: &mut Context<Self>) {}

    #[layer_restored]
    fn restored(&mut self, _cx: &mut Context<Self>, _missed: u64) {}
}

#[derive(Default)]
struct Shared;

#[consumer]
impl Shared {
    #[layer_lost]
    fn lost(_cx: &mut Context<Self>) {}

    #[layer_restored]
    async fn restored(&mut self) {}
}

#[derive(Default)]
struct Twice;

#[consumer]
impl Twice {
    #[layer_restored]
    async fn resync(&mut self, _cx: &mut Context<Self>) {}

    #[layer_restored]
    async fn again(&mut self, _cx: &mut Context<Self>) {}

    #[layer_restord]
    async fn misspelt(&mut self, _cx: &mut Context<Self>) {}

    #[layer_lost]
    async fn answers(&mut self, _cx: &mut Context<Self>) -> u32 {
        7
    }
}

fn main() {}
