//! Large frames are decoded on another thread, while other connections are served.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::{Deserialize, Deserializer};

/// The decoder of `Slow` waits for this.
static GO_ON: Mutex<Option<Receiver<()>>> = Mutex::new(None);

/// A payload whose decoding ends when another client has received a reply.
struct Slow;

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("wait") {
            let go_on = GO_ON.lock().unwrap();
            go_on.as_ref().unwrap().recv_timeout(Duration::from_secs(20)).expect("the other client is served");
        }
        assert!(!text.starts_with("panic"), "as asked");
        Ok(Self)
    }
}

#[derive(Deserialize)]
struct Waiting {
    text: Slow,
}

#[derive(Deserialize)]
struct Quick {}

#[derive(Default)]
struct Decoding;

#[consumer(tag = "type")]
impl Decoding {
    #[receive("slow")]
    async fn slow(&mut self, cx: &mut Context<Self>, Waiting { text: Slow }: Waiting) -> Result<()> {
        cx.send_text("decoded").await
    }

    #[receive("fail")]
    fn fail(&mut self, _cx: &mut Context<Self>, Waiting { text: Slow }: Waiting) -> Result<()> {
        Err(Error::msg("as asked"))
    }

    #[receive("quick")]
    async fn quick(&mut self, cx: &mut Context<Self>, _: Quick) -> Result<()> {
        cx.send_text("quick").await
    }
}

fn command(name: &str, text: &str, length: usize) -> String {
    format!("{{\"type\": \"{name}\", \"text\": \"{text}{}\"}}", "x".repeat(length))
}

async fn clients() -> [WebsocketCommunicator; 2] {
    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<Decoding>(warp::path!("decode"));
    let mut clients = ["large", "small"].map(|name| WebsocketCommunicator::new(route.clone(), "/decode").named(name));
    for client in &mut clients {
        client.connect().await.unwrap();
    }
    clients
}

/// The runtime has one thread, so the other client is served only if that thread does not decode.
#[tokio::test]
async fn large_frame_is_decoded_while_other_connections_are_served() {
    let (go_on, waits): (Sender<()>, _) = channel();
    *GO_ON.lock().unwrap() = Some(waits);
    let [mut large, mut small] = clients().await;
    large.send_to(command("slow", "wait", 20_000)).await.unwrap();
    // Its next message waits, so that the order is kept.
    large.send_to(command("quick", "", 0)).await.unwrap();
    small.send_to(command("quick", "", 0)).await.unwrap();
    assert_eq!(small.receive_text_from().await.unwrap(), "quick");
    go_on.send(()).unwrap();
    assert_eq!(large.receive_text_from().await.unwrap(), "decoded");
    assert_eq!(large.receive_text_from().await.unwrap(), "quick");
}

#[tokio::test]
async fn errors_in_large_frame_are_those_of_small_one() {
    for length in [0, 20_000] {
        let [mut client, mut other] = clients().await;
        client.send_to(command("unknown", "", length)).await.unwrap();
        assert!(client.receive_text_from().await.unwrap().contains("unknown"), "{length}");
        client
            .send_to(format!("{{\"type\": \"slow\", \"text\": {}}}", "[".repeat(length.min(100)) + &" ".repeat(length)))
            .await
            .unwrap();
        assert!(client.receive_text_from().await.unwrap().contains("malformed"), "{length}");
        client.send_to(command("slow", "panic", length)).await.unwrap();
        assert_eq!(client.receive_close().await.unwrap().0, CloseCode::INTERNAL_ERROR, "{length}");
        other.send_to(command("fail", "", length)).await.unwrap();
        assert_eq!(other.receive_close().await.unwrap().0, CloseCode::INTERNAL_ERROR, "{length}");
    }
}
