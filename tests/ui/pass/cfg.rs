//! A `#[cfg]` on a method also applies to everything that the macro generates for the method.

#![allow(unexpected_cfgs)]

use channels_runtime::prelude::*;

#[event("a.b")]
struct A;

#[event("c.d")]
struct C;

#[derive(Default)]
struct Consumer;

#[consumer]
impl Consumer {
    #[cfg(missing)]
    #[connect]
    async fn connect(cx: &mut Context<Self>, id: u64) -> Nothing {}

    #[cfg(missing)]
    #[handler("a.b")]
    async fn a(&mut self, cx: &mut Context<Self>, event: &Missing) {}

    #[cfg(not(missing))]
    #[handler("a.b")]
    async fn a(&mut self, _cx: &mut Context<Self>, _event: &A) {}

    #[cfg(missing)]
    #[handler("c.d")]
    fn c(_: &C) -> String {}

    #[cfg(missing)]
    #[receive("say")]
    fn say(&mut self, cx: &mut Context<Self>, command: Missing) {}

    #[cfg(missing)]
    #[receive]
    fn frame(&mut self, cx: &mut Context<Self>, frame: Missing) {}

    #[cfg(missing)]
    #[disconnect]
    fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Missing {}
}

#[derive(Default)]
struct Cut;

#[consumer]
#[cfg(missing)]
impl Cut {
    #[handler("c.d")]
    fn c(_: &C) -> String {}
}

#[test]
fn runs() {
    let info = <Consumer as channels_runtime::Consumer>::INFO;
    assert_eq!(info.handlers.len(), 1);
    assert_eq!(info.handlers[0].event, "a.b");
    assert_eq!(info.commands.len(), 0);
}
