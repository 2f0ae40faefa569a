//! An expansion uses nothing that is only there because it is usually imported, and finds a renamed runtime.

#![no_implicit_prelude]

extern crate channels_runtime as rt;
extern crate serde as user_serde;

// What would be picked up instead, if an expansion named these without a path.
#[allow(dead_code)]
mod core {}
#[allow(dead_code)]
mod std {}
#[allow(dead_code)]
mod serde {}
#[allow(dead_code)]
struct Send;
#[allow(dead_code)]
struct String;
#[allow(dead_code)]
type Result = ();

#[rt::event("a.b", crate = rt)]
pub struct A {
    pub count: u64,
}

#[rt::event("c.d", crate = "rt")]
pub struct C;

#[rt::event("g.g", crate = crate::rt)]
pub struct G;

#[rt::group("g_{id}", events(A, C, G), crate = rt)]
pub struct Many {
    pub id: u8,
}

#[derive(user_serde::Deserialize)]
#[serde(crate = "user_serde")]
struct Say {
    #[allow(dead_code)]
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

fn main() {}
