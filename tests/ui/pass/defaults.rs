//! All but the `impl` block is optional: a consumer without `#[connect]` is made by `Default`.

use channels_runtime::prelude::*;

#[derive(Default)]
struct Echo;

#[consumer]
impl Echo {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) -> Result<()> {
        cx.send_frame(frame).await
    }
}

struct Open;

#[consumer]
impl Open {
    #[connect]
    fn connect(_cx: &mut Context<Self>) -> Self {
        Self
    }
}

#[derive(Default)]
struct Ticker;

#[event("tick")]
struct Tick {
    at: u64,
}

#[consumer]
impl Ticker {
    #[handler("tick")]
    fn tick(event: &Tick) -> String {
        event.at.to_string()
    }
}

#[test]
fn runs() {
    let channels = Channels::builder().build().unwrap();
    let _ = channels.route::<Echo>(warp::path!("echo"));
    let _ = channels.route::<Open>(warp::path!("open"));
    let _ = channels.route::<Ticker>(warp::path!("tick"));
}
