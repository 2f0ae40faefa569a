//! Blocking methods: other connections go on, events keep their order, and output is written meanwhile.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Server, user};
use crate::support::until::within;

#[event("step")]
struct Step {
    number: u32,
}

#[event("step.blocking")]
struct BlockingStep {
    number: u32,
    how: String,
}

#[derive(Deserialize, Clone, Copy)]
struct Send {
    bytes: usize,
    times: usize,
}

#[derive(Deserialize)]
struct Nothing {}

/// State that a test shares with its consumers.
struct Rig {
    steps: Mutex<Vec<u32>>,
    /// A blocking method waits here until the test or another consumer sends.
    go: Mutex<mpsc::Receiver<()>>,
    says_go: mpsc::Sender<()>,
    /// Counts the methods that block.
    blocks: tokio::sync::Semaphore,
}

struct BlockingConsumer {
    rig: Arc<Rig>,
}

#[consumer]
impl BlockingConsumer {
    #[connect(blocking)]
    fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let rig = cx.scope().user::<Arc<Rig>>().ok_or(Reject::unauthorized())?.clone();
        cx.block_on(async |cx| cx.send_json(&cx.channel_name()).await)?;
        Ok(Self { rig })
    }

    #[handler("step.blocking", blocking)]
    fn blocking_step(&mut self, cx: &mut Context<Self>, event: &BlockingStep) -> Result<()> {
        self.rig.blocks.add_permits(1);
        match event.how.as_str() {
            "wait" => self.rig.go.lock().unwrap().recv()?,
            "panic" => panic!("as asked"),
            "sleep" => cx.block_on(async |_| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(())
            })?,
            _ => {}
        }
        self.rig.steps.lock().unwrap().push(event.number);
        cx.block_on(async |cx| cx.send_text(event.number.to_string()).await)
    }

    #[handler("step")]
    async fn step(&mut self, cx: &mut Context<Self>, event: &Step) -> Result<()> {
        self.rig.steps.lock().unwrap().push(event.number);
        cx.send_text(event.number.to_string()).await
    }

    /// Releases a blocked method of another consumer.
    #[receive("go", blocking)]
    fn go(&mut self, _: &mut Context<Self>, _: Nothing) -> Result<()> {
        Ok(self.rig.says_go.send(())?)
    }

    #[receive("send", blocking)]
    fn send(&mut self, cx: &mut Context<Self>, send: Send) -> Result<()> {
        for _ in 0..send.times {
            cx.block_on(async |cx| cx.send_text("x".repeat(send.bytes)).await)?;
        }
        Ok(())
    }

    /// A method that is not marked as blocking can also block.
    #[receive]
    fn echo(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        cx.block_on(async |cx| cx.send_text(text).await)
    }
}

type Client = WebsocketCommunicator;

struct App {
    channels: Channels,
    rig: Arc<Rig>,
}

impl App {
    fn new() -> Self {
        let (says_go, go) = mpsc::channel();
        let blocks = tokio::sync::Semaphore::new(0);
        let rig = Arc::new(Rig { steps: Mutex::default(), go: Mutex::new(go), says_go, blocks });
        let channels = Channels::builder().authenticator(user(Arc::clone(&rig))).build().unwrap();
        Self { channels, rig }
    }

    fn route(&self) -> warp::filters::BoxedFilter<(warp::reply::Response,)> {
        self.channels.route::<BlockingConsumer>(warp::path!("ws"))
    }

    async fn client(&self) -> (Client, ChannelName<BlockingConsumer>) {
        let mut client = WebsocketCommunicator::new(self.route(), "/ws");
        client.connect().await.unwrap();
        let name = client.receive_json_from().await.unwrap();
        (client, name)
    }

    async fn send(&self, to: &ChannelName<BlockingConsumer>, how: &str, number: u32) {
        let layer = self.channels.channel_layer();
        match how {
            "" => layer.send(to, &Step { number }).await.unwrap(),
            _ => layer.send(to, &BlockingStep { number, how: how.into() }).await.unwrap(),
        }
    }

    async fn serve(&self) -> SocketAddr {
        Server::start(&self.channels, self.route()).await.address
    }
}

/// As many methods block as the runtime has worker threads. Other connections go on: clients connect and send, and one of
/// them releases the blocked methods.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_methods_do_not_delay_other_connections() {
    let app = App::new();
    let mut blocked = Vec::new();
    for _ in 0..3 {
        let (client, name) = app.client().await;
        app.send(&name, "wait", 1).await;
        blocked.push(client);
    }
    within(app.rig.blocks.acquire_many(3)).await.unwrap().forget();
    let (mut other, name) = app.client().await;
    app.send(&name, "", 7).await;
    assert_eq!(other.receive_text_from().await.unwrap(), "7");
    other.send_to("plain words").await.unwrap();
    assert_eq!(other.receive_text_from().await.unwrap(), "plain words");
    assert_eq!(*app.rig.steps.lock().unwrap(), [7], "the methods still block");
    for _ in 0..3 {
        other.send_json_to(&serde_json::json!({"type": "go"})).await.unwrap();
    }
    for mut client in blocked {
        assert_eq!(client.receive_text_from().await.unwrap(), "1");
    }
}

/// One event at a time and in order, for blocking handlers, handlers that await in `block_on`, and async handlers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_and_async_handlers_keep_event_order() {
    let app = App::new();
    let (mut client, name) = app.client().await;
    let hows = ["wait", "", "plain", "sleep", "", "sleep", "plain", "", "", "sleep"];
    for (number, how) in (0..).zip(hows) {
        app.send(&name, how, number).await;
    }
    app.rig.says_go.send(()).unwrap();
    for number in 0..10 {
        assert_eq!(client.receive_text_from().await.unwrap(), number.to_string());
    }
    assert_eq!(*app.rig.steps.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_handler_panic_closes_its_connection_only() {
    let app = App::new();
    let ((mut one, name), (mut other, _)) = (app.client().await, app.client().await);
    app.send(&name, "panic", 1).await;
    assert_eq!(one.receive_close().await.unwrap().0, CloseCode::INTERNAL_ERROR);
    other.send_to("still here").await.unwrap();
    assert_eq!(other.receive_text_from().await.unwrap(), "still here");
}

/// The outbound queue holds 1 MiB: a method that sends 8 MiB waits for space, which appears only if the output is written
/// meanwhile. Here, as with TLS, the connection's own task writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_send_waits_for_space_over_stream() {
    let app = App::new();
    let (mut client, _) = app.client().await;
    client.send_json_to(&serde_json::json!({"type": "send", "bytes": 65_536, "times": 128})).await.unwrap();
    for _ in 0..128 {
        assert_eq!(client.receive_text_from().await.unwrap().len(), 65_536);
    }
}

/// Over TCP the write queue writes, and the connection's task waits for a full socket. 16 MiB exceed the kernel's buffers
/// for a client that does not read yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_send_waits_for_space_over_tcp() {
    let app = App::new();
    let address = app.serve().await;
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
    let name = within(client.next()).await.unwrap().unwrap();
    assert!(name.is_text());
    let send = serde_json::json!({"type": "send", "bytes": 65_536, "times": 256}).to_string();
    futures_util::SinkExt::send(&mut client, Message::text(send)).await.unwrap();
    for _ in 0..256 {
        assert_eq!(within(client.next()).await.unwrap().unwrap().len(), 65_536);
    }
    assert_eq!(app.channels.stats().connections.too_slow, 0);
}

/// On a single-threaded runtime the method runs in place. `block_on` succeeds if its future never waits; otherwise it
/// returns an error.
#[tokio::test]
async fn blocking_method_on_one_thread_runs_in_place() {
    let app = App::new();
    let (mut client, name) = app.client().await;
    app.send(&name, "plain", 1).await;
    assert_eq!(client.receive_text_from().await.unwrap(), "1");
    app.send(&name, "sleep", 2).await;
    match client.receive_from().await {
        Err(CommunicatorError::Closed { code: 1011, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(*app.rig.steps.lock().unwrap(), [1]);
}

#[derive(Default)]
struct JobConsumer;

#[consumer]
impl JobConsumer {
    #[handler("job.blocking", blocking)]
    fn job(&mut self, cx: &mut Context<Self>, event: &BlockingJob) -> Result<()> {
        std::thread::yield_now();
        cx.block_on(async |cx| cx.send_event(&event.told, &Step { number: event.number }).await)
    }
}

#[event("job.blocking")]
struct BlockingJob {
    number: u32,
    told: ChannelName,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_worker_jobs_run() {
    let channels = Channels::builder().layer(ChannelLayer::in_memory()).build().unwrap();
    let layer = channels.channel_layer();
    let told = layer.new_channel().await.unwrap();
    let worker = channels.worker::<JobConsumer>("blocking-jobs");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let to = ChannelName::<JobConsumer>::of_worker("blocking-jobs").unwrap();
    let running = tokio::spawn(async move { worker.run_until(async { _ = stopped.await }).await });
    within(async {
        while layer.channels_here() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for number in 0..3 {
        layer.send(&to, &BlockingJob { number, told: told.name().clone() }).await.unwrap();
    }
    for number in 0..3 {
        let step: Step = within(told.receive()).await.unwrap().decode().unwrap();
        assert_eq!(step.number, number);
    }
    drop(stop);
    within(running).await.unwrap().unwrap();
}
