//! An expansion uses only full paths and finds a renamed runtime. This is a crate of its own, because the name `rt` must be
//! declared at the root.

#![no_implicit_prelude]
#![allow(dead_code)]

extern crate channels_runtime as rt;
extern crate serde as user_serde;

// Names that an expansion without full paths would pick up instead.
mod core {}
mod std {}
mod serde {}
struct Send;
struct String;
type Result = ();

#[rt::event("a.b", crate = rt)]
struct A {
    count: u64,
}

#[rt::event("c.d", crate = "rt")]
struct C;

#[rt::event("g.g", crate = crate::rt)]
struct G;

#[rt::group("g_{id}", events(A, C, G), crate = rt)]
struct Many {
    id: u8,
}

#[derive(user_serde::Deserialize)]
#[serde(crate = "user_serde")]
struct Say {
    count: u64,
}

struct Counter;

#[rt::consumer(crate = rt, sends(A))]
impl Counter {
    #[connect]
    async fn connect(cx: &mut rt::Context<Self>, id: u8) -> ::core::result::Result<Self, rt::Reject> {
        cx.group_add(&Many { id }).await?;
        ::core::result::Result::Ok(Self)
    }

    #[receive("say")]
    async fn say(&mut self, _cx: &mut rt::Context<Self>, _command: Say) {}

    #[receive]
    async fn frame(&mut self, _cx: &mut rt::Context<Self>, _frame: rt::Frame) -> rt::Result {
        ::core::result::Result::Ok(())
    }

    #[handler("a.b")]
    async fn a(&mut self, _cx: &mut rt::Context<Self>, _event: &A) {}

    #[handler("c.d")]
    fn c(_: &C) -> rt::Json<u8> {
        rt::Json(1)
    }

    #[handler("g.g")]
    async fn g(_: &G) -> rt::Json<u8> {
        rt::Json(1)
    }

    #[disconnect]
    fn disconnect(&mut self, _cx: &mut rt::Context<Self>, _code: rt::CloseCode) {}
}

#[::core::prelude::v1::test]
fn compiles() {
    ::core::assert_eq!(<Counter as rt::Consumer>::INFO.handlers.len(), 3);
}
