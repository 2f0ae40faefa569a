//! Clients that come back and processes that miss messages, in the testing kit.

use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, LayerProbe, WebsocketCommunicator};
use serde_json::Value;

#[event("feed.posted")]
struct Posted {
    number: u64,
}

#[event("feed.typing", volatile)]
struct Typing {
    name: String,
}

#[group("feed-{name}", events(Posted, Typing), history(size = 8, ttl = "10m"))]
struct Feed {
    name: String,
}

fn feed() -> Feed {
    Feed { name: "news".into() }
}

struct FeedConsumer {
    feed: Feed,
}

#[consumer]
impl FeedConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, name: String) -> Result<Self, Reject> {
        let feed = Feed { name };
        let joined = cx.group_add_since(&feed, &cx.resume()).await?;
        cx.send_json(&json!({"hello": joined.at})).await?;
        Ok(Self { feed })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(number): Json<u64>) -> Result<()> {
        cx.group_send(&self.feed, &Posted { number }).await
    }

    #[handler("feed.posted")]
    fn posted(event: &Posted, at: &Position) -> Json<Value> {
        Json(json!({"number": event.number, "at": at}))
    }

    #[handler("feed.typing")]
    fn typing(event: &Typing) -> Json<Value> {
        Json(json!({"typing": event.name}))
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_json(&json!({"lost": lost.cause.as_str(), "at": lost.at})).await
    }

    #[layer_lost]
    async fn layer_lost(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.send_json(&json!("layer lost")).await
    }

    #[layer_restored]
    async fn layer_restored(&mut self, cx: &mut Context<Self>) -> Result<()> {
        cx.send_json(&json!("layer restored")).await
    }

    #[disconnect]
    async fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) -> Result<()> {
        cx.group_send(&self.feed, &Typing { name: code.as_u16().to_string() }).await
    }
}

fn client_of(layer: &ChannelLayer) -> WebsocketCommunicator {
    client_at(layer, "/ws/news")
}

fn client_at(layer: &ChannelLayer, path: &str) -> WebsocketCommunicator {
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    WebsocketCommunicator::new(channels.route::<FeedConsumer>(warp::path!("ws" / String)), path)
}

async fn connect(client: &mut WebsocketCommunicator) {
    client.connect().await.unwrap();
    assert!(client.receive_json_from::<Value>().await.unwrap()["hello"].is_string());
}

async fn post(layer: &ChannelLayer, number: u64) {
    layer.group_send(&feed(), &Posted { number }).await.unwrap();
}

/// Returns the numbers and notices that the client receives, until nothing arrives.
async fn received(client: &mut WebsocketCommunicator) -> Vec<Value> {
    let mut all = Vec::new();
    while !client.receive_nothing().await {
        let frame: Value = client.receive_json_from().await.unwrap();
        if frame.get("hello").is_some() {
            continue;
        }
        let shown = ["number", "lost", "typing"].iter().find_map(|field| frame.get(*field));
        all.push(shown.unwrap_or(&frame).clone());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn client_that_reconnects_receives_what_it_missed() {
    let layer = ChannelLayer::in_memory();
    let (mut ann, mut bob) = (client_of(&layer), client_of(&layer));
    connect(&mut ann).await;
    connect(&mut bob).await;
    post(&layer, 1).await;
    assert_eq!(received(&mut ann).await, [1]);

    ann.drop_connection().await.unwrap();
    let gone = ann.receive_from().await.unwrap_err();
    assert!(matches!(gone, CommunicatorError::NotConnected { .. }), "{gone}");
    post(&layer, 2).await;
    post(&layer, 3).await;
    ann.reconnect().await.unwrap();
    assert_eq!(received(&mut ann).await, [2, 3]);
    assert_eq!(received(&mut bob).await, json!([1, "1006", 2, 3]).as_array().unwrap()[..], "no close frame");

    // A connection is dropped first. Nothing was missed.
    ann.reconnect().await.unwrap();
    assert!(received(&mut ann).await.is_empty());
    // `connect` is a first visit.
    ann.disconnect(CloseCode::NORMAL).await.unwrap();
    post(&layer, 4).await;
    ann.connect().await.unwrap();
    assert!(received(&mut ann).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn frames_that_test_has_not_received_are_sent_again() {
    let layer = ChannelLayer::in_memory();
    let mut ann = client_of(&layer);
    connect(&mut ann).await;
    post(&layer, 1).await;
    post(&layer, 2).await;
    // It arrives, but the test has not received it.
    assert!(!ann.receive_nothing().await);
    ann.reconnect().await.unwrap();
    assert_eq!(received(&mut ann).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn client_of_consumer_that_does_not_end_is_an_error() {
    struct Slow;

    #[consumer]
    impl Slow {
        #[connect]
        async fn connect(_: &mut Context<Self>) -> Result<Self, Reject> {
            Ok(Self)
        }

        #[disconnect]
        async fn disconnect(&mut self, _: &mut Context<Self>, _: CloseCode) {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    let channels = Channels::builder().build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Slow>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let error = client.drop_connection().await.unwrap_err();
    assert!(matches!(error, CommunicatorError::StillOpen { .. }), "{error}");
    let error = client.drop_connection().await.unwrap_err();
    assert!(matches!(error, CommunicatorError::NotConnected { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn history_of_probe_is_shared_by_its_processes() {
    let probe = LayerProbe::new();
    let (here, there) = (probe.process(), probe.process());
    let (mut ann, mut bob) = (client_of(&here), client_of(&there));
    connect(&mut ann).await;
    post(&here, 1).await;
    assert_eq!(received(&mut ann).await, [1]);
    let at = here.history(&feed()).await.unwrap()[0].position().to_string();

    // The client comes back to another process, which has not had the group before.
    let mut elsewhere = client_at(&there, &format!("/ws/news?since={at}"));
    for number in 2..=4 {
        post(&here, number).await;
    }
    elsewhere.connect().await.unwrap();
    assert_eq!(received(&mut elsewhere).await, [2, 3, 4]);
    connect(&mut bob).await;
    assert!(received(&mut bob).await.is_empty(), "a first visit");
    assert_eq!(there.history(&feed()).await.unwrap().len(), 4);
    assert_eq!((there.stats().recovered, there.stats().replayed), (1, 3));

    // More than the size of the history.
    ann.drop_connection().await.unwrap();
    for number in 5..=13 {
        post(&there, number).await;
    }
    ann.reconnect().await.unwrap();
    assert_eq!(received(&mut ann).await, ["forgotten"]);
    // It continues from there.
    ann.drop_connection().await.unwrap();
    post(&there, 14).await;
    ann.reconnect().await.unwrap();
    assert_eq!(received(&mut ann).await, [14]);
    // The time of the history is over, or its messages were removed.
    ann.drop_connection().await.unwrap();
    post(&there, 15).await;
    tokio::time::advance(Duration::from_secs(601)).await;
    ann.reconnect().await.unwrap();
    assert_eq!(received(&mut ann).await, ["forgotten"]);
    ann.drop_connection().await.unwrap();
    post(&there, 16).await;
    there.history_forget(&feed()).await.unwrap();
    ann.reconnect().await.unwrap();
    assert_eq!(received(&mut ann).await, ["forgotten"]);
}

#[tokio::test(start_paused = true)]
async fn lost_and_doubled_messages_of_one_process_are_repaired() {
    let probe = LayerProbe::new();
    let (here, there) = (probe.process(), probe.process());
    let (mut ann, mut bob) = (client_of(&here), client_of(&there));
    connect(&mut ann).await;
    connect(&mut bob).await;

    probe.lose_next(1);
    post(&here, 1).await;
    assert_eq!(received(&mut ann).await, [1]);
    assert!(received(&mut bob).await.is_empty(), "the message to its process is lost");
    post(&here, 2).await;
    assert_eq!(received(&mut bob).await, [1, 2]);

    probe.double_next(1);
    post(&here, 3).await;
    post(&here, 4).await;
    assert_eq!(received(&mut bob).await, [3, 4]);
    assert_eq!(received(&mut ann).await, [2, 3, 4]);

    // No history keeps a volatile event.
    probe.double_next(1);
    probe.lose_next(1);
    for name in ["twice", "never"] {
        here.group_send(&feed(), &Typing { name: name.into() }).await.unwrap();
    }
    assert_eq!(received(&mut bob).await, ["twice", "twice"]);
    assert_eq!(received(&mut ann).await, ["twice", "never"]);

    // A fault of the last message shows when a client joins that has received it elsewhere.
    probe.lose_next(1);
    post(&here, 5).await;
    assert_eq!(received(&mut ann).await, [5]);
    assert!(received(&mut bob).await.is_empty());
    let at = here.history(&feed()).await.unwrap()[4].position().to_string();
    let mut eve = client_at(&there, &format!("/ws/news?since={at}"));
    connect(&mut eve).await;
    assert_eq!(received(&mut bob).await, [5]);
    assert!(received(&mut eve).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn process_that_is_cut_off_recalls_before_layer_is_restored() {
    let probe = LayerProbe::new();
    let (here, there) = (probe.process(), probe.process());
    let mut bob = client_of(&there);
    connect(&mut bob).await;

    probe.cut_off(1);
    probe.cut_off(1);
    let refused = there.group_send(&feed(), &Posted { number: 0 }).await.unwrap_err();
    assert!(matches!(refused, LayerError::Unavailable { .. }), "{refused}");
    let mut eve = client_of(&there);
    let refused = eve.connect().await.unwrap_err();
    assert!(matches!(refused, CommunicatorError::Refused { status: 503, .. }), "{refused}");
    post(&here, 1).await;
    post(&here, 2).await;
    assert_eq!(received(&mut bob).await, ["layer lost"]);
    probe.restore(1).await;
    probe.restore(1).await;
    post(&here, 3).await;
    assert_eq!(received(&mut bob).await, json!([1, 2, "layer restored", 3]).as_array().unwrap()[..]);
    assert_eq!(there.stats().gaps, 1);

    // More than the history keeps.
    probe.cut_off(1);
    for number in 4..=12 {
        post(&here, number).await;
    }
    probe.restore(1).await;
    post(&here, 13).await;
    assert_eq!(
        received(&mut bob).await,
        json!(["layer lost", "forgotten", "layer restored", 13]).as_array().unwrap()[..]
    );
    assert_eq!((here.stats().gaps, there.stats().history_lost), (0, 1));
}

#[tokio::test]
#[should_panic(expected = "there is no process 2: this probe has 2, and the first one is process 0")]
async fn fault_of_unknown_process_names_the_known_ones() {
    let probe = LayerProbe::new();
    let _processes = (probe.process(), probe.process());
    probe.lose_next(2);
}

/// Two processes in the order of a seed: messages are lost, doubled and delayed, a process is cut off, and clients come back to
/// either of them.
async fn play(seed: u64) {
    const LAST: u64 = 6;
    let probe = LayerProbe::with_seed(seed);
    let processes = [probe.process(), probe.process()];
    let mut clients = processes.clone().map(|layer| client_of(&layer));
    for client in &mut clients {
        connect(client).await;
    }
    let mut seen = [Vec::new(), Vec::new()];
    let mut choices = seed;
    for number in 1..=LAST {
        let sender = usize::try_from(choices % 2).unwrap();
        let faulty = usize::try_from(choices / 2 % 2).unwrap();
        match choices / 4 % 5 {
            0 => probe.lose_next(faulty),
            1 => probe.double_next(faulty),
            2 => {
                probe.cut_off(faulty);
                post(&processes[1 - faulty], number).await;
                probe.restore(faulty).await;
                choices /= 20;
                continue;
            }
            3 => {
                // What it has received is counted. The rest is sent again.
                if !clients[faulty].receive_nothing().await {
                    let frame: Value = clients[faulty].receive_json_from().await.unwrap();
                    seen[faulty].extend(frame.get("number").cloned());
                }
                clients[faulty].drop_connection().await.unwrap();
                post(&processes[sender], number).await;
                clients[faulty].reconnect().await.unwrap();
                choices /= 20;
                continue;
            }
            _ => {}
        }
        post(&processes[sender], number).await;
        choices /= 20;
    }
    // A fault of the last message shows at the next one.
    post(&processes[0], LAST + 1).await;
    post(&processes[1], LAST + 2).await;
    for (client, seen) in clients.iter_mut().zip(&mut seen) {
        seen.extend(received(client).await.into_iter().filter(Value::is_u64));
        assert_eq!(*seen, (1..=LAST + 2).map(Value::from).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn clients_receive_everything_once_in_order_with_each_seed() {
    // The seed is also the source of the choices. It has six of them.
    for number in 0..400 {
        let seed = number * 159_989;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(seed));
    }
}
