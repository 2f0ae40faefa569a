//! A consumer may hear of one end of a gap or of both, with or without `async`, and `#[cfg]` picks one of two.

#![deny(warnings)]
#![allow(clippy::non_minimal_cfg)]

use channels_runtime::Consumer;
use channels_runtime::prelude::*;

#[derive(Default)]
struct Both;

#[consumer]
impl Both {
    #[layer_lost]
    fn lost(&mut self, _cx: &mut Context<Self>) {}

    #[layer_restored]
    async fn restored(&mut self, _cx: &mut Context<Self>) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct One;

#[consumer]
impl One {
    #[cfg(all())]
    #[layer_restored]
    async fn restored(&mut self, _cx: &mut Context<Self>) {}

    #[cfg(any())]
    #[layer_restored]
    async fn restored_otherwise(&mut self, _cx: &mut Context<Self>) {}
}

#[derive(Default)]
struct None;

#[consumer]
impl None {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

#[test]
fn runs() {
    assert_eq!((Both::HAS_GAP_METHODS, One::HAS_GAP_METHODS, None::HAS_GAP_METHODS), (true, true, false));
}
