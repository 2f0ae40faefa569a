//! The heartbeat: clients that are gone without a close, and clients that only seem to be.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::web::axum::RouterExt;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::app::{Front, Server, on_both_servers, user};
use crate::support::client::{handshake, send_request};
use crate::support::until::{until, until_within};

on_both_servers!(
    #[tokio::test(start_paused = true)]
    heartbeat_drops_unresponsive_client_within_deadline,
    #[tokio::test(start_paused = true)]
    heartbeat_keeps_responsive_client,
    #[tokio::test(start_paused = true)]
    heartbeat_ignores_time_of_long_handler,
    #[tokio::test(start_paused = true)]
    heartbeat_drops_client_that_stops_reading,
    #[tokio::test(start_paused = true)]
    idle_limit_closes_responsive_client,
    #[tokio::test(start_paused = true)]
    heartbeat_disabled_keeps_silent_client,
    heartbeat_pings_dead_peer_once_then_closes,
    heartbeat_closes_full_socket_while_handler_waits,
);

const SECOND: Duration = Duration::from_secs(1);

/// In real time, a deadline is missed if the connection takes this many times longer.
const GRACE: u32 = 8;

#[event("vital.line")]
struct Line {
    text: String,
}

#[group("ward", events(Line))]
struct Ward;

/// The sum of the codes that `disconnect` received: each test has one connection.
#[derive(Default)]
struct Code(AtomicU64);

struct Patient {
    code: Arc<Code>,
}

#[consumer]
impl Patient {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Ward).await?;
        let code = cx.scope().user::<Arc<Code>>().ok_or(Reject::unauthorized())?.clone();
        Ok(Self { code })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        if let Ok(seconds) = text.parse() {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        cx.send_text(text).await
    }

    #[handler("vital.line")]
    fn line(event: &Line) -> String {
        event.text.clone()
    }

    #[disconnect]
    fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) {
        assert_eq!(cx.channel_layer().members_here(&Ward).unwrap(), 0, "the groups are left first");
        self.code.0.fetch_add(code.as_u16().into(), SeqCst);
    }
}

struct App {
    front: Front,
    channels: Channels,
    code: Arc<Code>,
}

impl App {
    fn new(front: Front, builder: ChannelsBuilder) -> Self {
        let code = Arc::<Code>::default();
        let channels = builder.authenticator(user(Arc::clone(&code))).build().unwrap();
        Self { front, channels, code }
    }

    fn route(&self) -> impl Routes + use<> {
        self.channels.route::<Patient>(warp::path!("ws"))
    }

    async fn client(&self) -> WebsocketCommunicator {
        let mut client = match self.front {
            Front::Ours => WebsocketCommunicator::new(self.route(), "/ws"),
            Front::Axum => {
                WebsocketCommunicator::new(Router::new().consumer("/ws", self.channels.axum::<Patient>()), "/ws")
            }
        };
        client.connect().await.unwrap();
        client
    }

    /// Waits until nothing of the connection remains, and returns the code that `disconnect` received.
    async fn ended(&self) -> u64 {
        until_within(600 * SECOND, "the connection ends", async || {
            self.code.0.load(SeqCst) != 0 && self.channels.connections() == 0
        })
        .await;
        assert_eq!(self.channels.channel_layer().channels_here(), 0);
        self.code.0.load(SeqCst)
    }

    /// The same over a real socket, with a time limit that allows for a busy machine.
    async fn ended_within(&self, deadline: Duration) -> (u64, Duration) {
        let begun = Instant::now();
        let ended = tokio::time::timeout(GRACE * deadline, self.ended()).await;
        let code = ended.unwrap_or_else(|_| {
            panic!("the connection is open {:?} after a deadline of {deadline:?}", GRACE * deadline)
        });
        (code, begun.elapsed())
    }

    async fn say(&self, text: String) {
        self.channels.channel_layer().group_send(&Ward, &Line { text }).await.unwrap();
    }
}

async fn heartbeat_drops_unresponsive_client_within_deadline(front: Front) {
    let app = App::new(front, Channels::builder());
    let mut client = app.client().await;
    // The client sends now and then, so the server sends no ping.
    for _ in 0..20 {
        tokio::time::sleep(10 * SECOND).await;
        client.send_to("still there").await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "still there");
    }
    let silent = Instant::now();
    assert_eq!(app.ended().await, 1006);
    let gone = silent.elapsed();
    assert!(20 * SECOND < gone && gone <= 30 * SECOND + SECOND / 10, "gone after {gone:?}");
    assert_eq!(app.channels.stats().connections.unanswered, 1);
}

async fn heartbeat_keeps_responsive_client(front: Front) {
    let app = App::new(front, Channels::builder());
    let mut client = app.client().await;
    let since = Instant::now();
    while since.elapsed() < 3600 * SECOND {
        // The client reads, and its pongs go out with the next read.
        assert!(client.receive_nothing().await);
        tokio::time::sleep(4 * SECOND).await;
    }
    client.send_to("and speaks").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "and speaks");
    assert_eq!(app.channels.stats().connections.unanswered, 0);
}

async fn heartbeat_ignores_time_of_long_handler(front: Front) {
    let app = App::new(front, Channels::builder());
    let mut client = app.client().await;
    client.send_to("200").await.unwrap();
    for _ in 0..40 {
        tokio::time::sleep(4 * SECOND).await;
        assert!(client.receive_nothing().await);
    }
    tokio::time::sleep(40 * SECOND).await;
    assert_eq!(client.receive_text_from().await.unwrap(), "200");
    // A client that is gone while a handler runs is dropped when the handler ends.
    client.send_to("100").await.unwrap();
    let asked = Instant::now();
    assert_eq!(app.ended().await, 1006);
    let gone = asked.elapsed();
    assert!(100 * SECOND < gone && gone <= 131 * SECOND, "gone after {gone:?}");
}

async fn heartbeat_drops_client_that_stops_reading(front: Front) {
    let app = App::new(front, Channels::builder().outbound_limit(16 << 20));
    let _client = app.client().await;
    for _ in 0..40 {
        app.say("x".repeat(100_000)).await;
    }
    let silent = Instant::now();
    assert_eq!(app.ended().await, 1006);
    assert!(silent.elapsed() <= 30 * SECOND + SECOND / 10, "gone after {:?}", silent.elapsed());
    let stats = app.channels.stats().connections;
    assert_eq!((stats.unanswered, stats.too_slow), (1, 0));
}

async fn idle_limit_closes_responsive_client(front: Front) {
    let app = App::new(front, Channels::builder().idle_limit(120 * SECOND));
    let mut client = app.client().await;
    // A client that sends within the limit stays connected.
    for _ in 0..5 {
        for _ in 0..25 {
            assert!(client.receive_nothing().await);
            tokio::time::sleep(SECOND * 45 / 10).await;
        }
        client.send_to("hello").await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "hello");
    }
    let silent = Instant::now();
    while client.receive_nothing().await && silent.elapsed() < 300 * SECOND {
        // Receiving does not count as activity.
        tokio::time::sleep(4 * SECOND).await;
    }
    let (code, reason) = client.receive_close().await.unwrap();
    assert_eq!((code, reason.as_str()), (CloseCode::GOING_AWAY, "no message for too long"));
    let gone = silent.elapsed();
    assert!(120 * SECOND < gone && gone < 155 * SECOND, "gone after {gone:?}");
    assert_eq!(app.ended().await, 1001);
    assert_eq!((app.channels.stats().connections.idle, app.channels.stats().connections.unanswered), (1, 0));
}

async fn heartbeat_disabled_keeps_silent_client(front: Front) {
    let app = App::new(front, Channels::builder().no_heartbeat());
    let mut client = app.client().await;
    tokio::time::sleep(86_400 * SECOND).await;
    client.send_to("good morning").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "good morning");
}

/// Connects a peer that does nothing after the handshake. The test decides whether it reads.
async fn raw(address: SocketAddr) -> TcpStream {
    let response = send_request(
        address,
        &handshake(
            "/ws",
            &format!(
                "Host: {address}
"
            ),
        ),
    )
    .await;
    assert_eq!(response.status, 101);
    response.socket
}

async fn listening(app: &App) -> SocketAddr {
    Server::start_consumer::<Patient>(app.front, &app.channels).await.address
}

async fn heartbeat_pings_dead_peer_once_then_closes(front: Front) {
    let app = App::new(front, Channels::builder().heartbeat(SECOND / 5, SECOND));
    let mut peer = raw(listening(&app).await).await;
    assert_eq!(app.ended_within(SECOND).await.0, 1006);
    assert_eq!(app.channels.stats().connections.unanswered, 1);
    let mut left = Vec::new();
    // A reset, because the remaining bytes are not read.
    _ = peer.read_to_end(&mut left).await;
    assert!(left.is_empty() || left == [0x89, 0], "{left:?}");
    assert!(app.channels.shutdown(10 * SECOND).await);
}

async fn heartbeat_closes_full_socket_while_handler_waits(front: Front) {
    let app = App::new(front, Channels::builder().heartbeat(SECOND / 2, SECOND).outbound_limit(1 << 20));
    let mut peer = raw(listening(&app).await).await;
    // The peer requests echoes and reads none, until the handler waits for space.
    let text = [&[0x81, 0xff, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0][..], &vec![b'x'; 512 * 1024]].concat();
    let floods = async { while peer.write_all(&text).await.is_ok() {} };
    tokio::join!(floods, async { assert_eq!(app.ended_within(SECOND).await.0, 1006) });
    let stats = app.channels.stats().connections;
    assert_eq!((stats.unanswered, stats.too_slow), (1, 0));
    assert!(app.channels.shutdown(10 * SECOND).await);
}

/// The end of the cable that this process is: none, the server's, or the client's.
const END: &str = "CHANNELS_END_OF_CABLE";

/// Starts this test as a process in its own network namespace.
fn in_its_own_network(unshare: &str, end: &str) -> Child {
    Command::new("unshare")
        .arg(unshare)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "server::heartbeat::heartbeat_detects_cut_cable", "--ignored", "--nocapture"])
        .env(END, end)
        .stdin(Stdio::piped())
        .spawn()
        .expect("this test needs the program `unshare`")
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().expect("this test needs the program `ip`");
    assert!(done.success(), "ip {words}");
}

async fn client_at_the_far_end() {
    let mut address = String::new();
    std::io::stdin().read_line(&mut address).unwrap();
    ip("address add 10.77.0.2/24 dev there");
    ip("link set there up");
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws", address.trim())).await.unwrap();
    // Reading answers the server's pings.
    while let Some(Ok(_)) = client.next().await {}
}

async fn server_at_the_near_end() {
    ip("link add here type veth peer name there");
    ip("address add 10.77.0.1/24 dev here");
    ip("link set here up");
    let mut far = in_its_own_network("--net", "far");
    let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
    let process = far.id().to_string();
    until("the process has its own network", || network("self") != network(&process)).await;
    ip(&format!("link set there netns {process}"));

    let app = App::new(Front::Ours, Channels::builder().heartbeat(2 * SECOND, 5 * SECOND));
    let server = app.channels.bind(([10, 77, 0, 1], 0)).await.unwrap();
    writeln!(far.stdin.as_ref().unwrap(), "{}", server.local_addr()).unwrap();
    tokio::spawn(server.serve(app.route()));
    until("the client is connected", || app.channels.connections() == 1).await;
    // The client stays connected beyond the deadline.
    tokio::time::sleep(8 * SECOND).await;
    assert_eq!((app.channels.connections(), app.code.0.load(SeqCst)), (1, 0));
    ip("link set here down");
    app.say("nobody hears this".into()).await;
    let (code, gone) = app.ended_within(5 * SECOND).await;
    assert_eq!(code, 1006);
    println!("the cable was cut, and {:.1} s later the connection was gone", gone.as_secs_f64());
    assert_eq!(app.channels.stats().connections.unanswered, 1);
    assert!(far.try_wait().unwrap().is_none(), "the client has received nothing and waits");
    far.kill().unwrap();
    far.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs permission to create networks; `scripts/test` runs it where possible"]
async fn heartbeat_detects_cut_cable() {
    match std::env::var(END).as_deref() {
        Ok("far") => client_at_the_far_end().await,
        Ok(_) => server_at_the_near_end().await,
        Err(_) => {
            let mut near = in_its_own_network("-rn", "near");
            assert!(tokio::task::spawn_blocking(move || near.wait().unwrap()).await.unwrap().success());
        }
    }
}
