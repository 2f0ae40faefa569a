//! Private types, types behind paths, a consumer in a module and one in a function.

#![deny(warnings)]

use channels_runtime::prelude::*;

mod events {
    use channels_runtime::prelude::*;

    #[event("a.b")]
    pub(crate) struct A {
        pub(crate) text: String,
    }
}

mod consumers {
    use channels_runtime::prelude::*;

    #[derive(Default)]
    pub(crate) struct Inner;

    #[consumer]
    impl Inner {
        /// With docs.
        #[allow(clippy::unused_async)]
        #[handler("a.b")]
        async fn a<'a>(&'a mut self, cx: &'a mut Context<Self>, event: &'a super::events::A) -> Result<()> {
            cx.send_text(event.text.as_str()).await
        }

        #[handler("self")]
        async fn of_self(_: &OfSelf) -> Option<&'static str> {
            None
        }
    }

    #[event("self")]
    struct OfSelf;
}

#[consumer]
impl crate::pass::private_and_nested::Outer {
    #[handler("a.b")]
    fn a(event: &events::A) -> impl channels_runtime::IntoFrame + use<> {
        event.text.clone()
    }

    #[connect]
    async fn open(cx: &mut channels_runtime::Context<Self>) -> Result<Self, channels_runtime::Reject> {
        let _ = cx;
        Ok(Self)
    }
}

struct Outer;

#[test]
fn runs() {
    #[derive(Default)]
    struct Local;

    #[event("local")]
    struct Here;

    #[consumer]
    impl Local {
        #[handler("local")]
        async fn here(&mut self, _: &mut Context<Self>, _: &Here) {}
    }

    let channels = Channels::builder().build().unwrap();
    let _ = channels.route::<Local>(warp::path!("local"));
    let _ = channels.route::<consumers::Inner>(warp::path!("inner"));
    let _ = channels.route::<Outer>(warp::path!("outer"));
}
