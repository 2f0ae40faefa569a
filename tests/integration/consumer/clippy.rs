//! The signatures of consumer methods are free of warnings from all of clippy's lints.
#![deny(clippy::pedantic, clippy::nursery)]

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::Deserialize;

#[event("pedantic.tick")]
#[derive(Clone, Copy)]
struct Tick {
    number: u32,
}

#[event("pedantic.hello")]
struct Hello {
    name: String,
}

#[group("pedantic", events(Tick, Hello))]
struct Everyone;

#[derive(Deserialize)]
struct Greet {
    name: String,
}

#[derive(Deserialize, Clone, Copy)]
struct Add {
    by: u32,
}

struct Pedant {
    room: String,
    sum: u32,
}

#[consumer]
impl Pedant {
    #[connect]
    fn connect(_cx: &mut Context<Self>, room: String) -> Self {
        Self { room: room.to_uppercase(), sum: 0 }
    }

    #[receive("greet")]
    async fn greet(&mut self, cx: &mut Context<Self>, command: Greet) -> Result<()> {
        cx.send_text(format!("hello {} in {}", command.name, self.room)).await
    }

    #[receive("add")]
    fn add(&mut self, _cx: &mut Context<Self>, command: Add) {
        self.sum += command.by;
    }

    #[receive]
    fn text(&mut self, cx: &mut Context<Self>, text: String) {
        cx.close_with(CloseCode::POLICY, &text);
    }

    #[receive(_)]
    fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) {
        cx.close_with(CloseCode::POLICY, error.code());
    }

    #[handler("pedantic.tick")]
    fn tick(event: &Tick) -> Json<Tick> {
        Json(*event)
    }

    #[handler("pedantic.hello")]
    async fn hello(&mut self, cx: &mut Context<Self>, event: &Hello) -> Result<()> {
        cx.send_text(event.name.clone()).await
    }

    #[handler(_)]
    fn other(&mut self, cx: &mut Context<Self>, event: &Envelope) {
        cx.close_with(CloseCode::POLICY, event.event_name());
    }

    #[layer_lost]
    fn lost(&mut self, _cx: &mut Context<Self>) {
        self.sum = 0;
    }

    #[layer_restored]
    fn restored(&mut self, cx: &mut Context<Self>) {
        cx.close(CloseCode::NORMAL);
    }

    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
}

check_app! {
    consumers: [Pedant],
    groups: [Everyone],
}

#[tokio::test]
async fn consumer_without_clippy_warnings_works() {
    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<Pedant>(warp::path!("pedantic" / String));
    let mut client = WebsocketCommunicator::new(route, "/pedantic/hall");
    client.connect().await.unwrap();
    client.send_to(r#"{"type": "greet", "name": "ann"}"#).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "hello ann in HALL");
}
