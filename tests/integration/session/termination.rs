//! Termination: however a connection ends, it leaves its groups, `disconnect` runs once with the close code, and nothing remains.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::ChannelsBuilder;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::stats::ConnectionStats;
use channels_runtime::testing::WebsocketCommunicator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use warp::Filter;

use crate::support::app::{Front, Server, on_both_servers, user};
use crate::support::client::{handshake, send_request};
use crate::support::redis::RedisServer;
use crate::support::until::{until, until_within};

#[event("way.note")]
struct Note {
    text: String,
}

#[event("way.shown")]
struct Shown {
    text: String,
}

#[group("ways", events(Note, Shown))]
struct Ways;

type Codes = Arc<Mutex<Vec<u16>>>;

struct Leaver {
    codes: Codes,
    /// A spawned task holds it, too.
    background: Arc<()>,
}

/// Not a close code: `disconnect` ran while a spawned task was still running.
const STILL_RUNS: u16 = 0;

#[consumer(mailbox = "disconnect")]
impl Leaver {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Ways).await?;
        let background = Arc::new(());
        let held = Arc::clone(&background);
        cx.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(())
        })?;
        cx.every(Duration::from_secs(3600), &Note { text: String::new() })?;
        let codes = cx.scope().user::<Codes>().ok_or(Reject::unauthorized())?.clone();
        match cx.scope().header("x-connect") {
            Some("refuse") => return Err(Reject::forbidden()),
            Some("fail") => return Err(Error::msg("a mistake").into()),
            Some("panic") => panic!("a mistake"),
            Some("wait") => std::future::pending().await,
            _ => {}
        }
        cx.send_json(&cx.channel_name()).await?;
        Ok(Self { codes, background })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        Self::go(cx, &text).await
    }

    #[handler("way.note")]
    async fn note(&mut self, cx: &mut Context<Self>, event: &Note) -> Result<()> {
        Self::go(cx, &event.text).await
    }

    #[handler("way.shown")]
    fn shown(event: &Shown) -> String {
        event.text.clone()
    }

    #[disconnect]
    fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) {
        let alone = Arc::strong_count(&self.background) == 1;
        self.codes.lock().unwrap().push(if alone { code.as_u16() } else { STILL_RUNS });
        // The groups are already left, and a panic here affects nothing else.
        assert!(!cx.scope().path().is_empty());
        panic!("a mistake in disconnect");
    }
}

impl Leaver {
    async fn go(cx: &mut Context<Self>, how: &str) -> Result<()> {
        match how {
            "close" => cx.close(CloseCode::NORMAL),
            "fail" => return Err(Error::msg("a mistake")),
            "panic" => panic!("a mistake"),
            "wait" => tokio::time::sleep(Duration::from_secs(5)).await,
            "send" => {
                for _ in 0..100 {
                    cx.send_text("x".repeat(100_000)).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

type Client = WebsocketCommunicator;

struct App {
    channels: Channels,
    codes: Codes,
}

impl App {
    fn new() -> Self {
        let layer = ChannelLayer::in_memory_with(LayerConfig::default().capacity(3));
        Self::on(layer, Channels::builder().idle_limit(Duration::from_secs(600)))
    }

    fn on(layer: ChannelLayer, builder: ChannelsBuilder) -> Self {
        let codes = Codes::default();
        let channels = builder.layer(layer).authenticator(user(Arc::clone(&codes))).build().unwrap();
        Self { channels, codes }
    }

    fn new_client(&self) -> Client {
        WebsocketCommunicator::new(self.channels.route::<Leaver>(warp::path!("ws")).boxed(), "/ws")
    }

    async fn client(&self) -> (Client, ChannelName<Leaver>) {
        let mut client = self.new_client();
        client.connect().await.unwrap();
        let name = client.receive_json_from().await.unwrap();
        (client, name)
    }

    fn layer(&self) -> ChannelLayer {
        self.channels.channel_layer()
    }

    /// Returns the visible counts of connections: members, channels, groups, and the gauge.
    fn seen(&self) -> [usize; 4] {
        let layer = self.layer();
        [layer.members_here(&Ways).unwrap(), layer.channels_here(), layer.groups_here(), self.channels.connections()]
    }
}

/// On a paused clock.
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    ClientCloses,
    ClientVanishes,
    ClientBreaksTheProtocol,
    ClientIsHalfOpen,
    ClientIsHalfOpenWhileAHandlerSends,
    ClientIsIdle,
    ClientReadsTooSlowly,
    MailboxIsFull,
    HandlerCloses,
    HandlerFails,
    HandlerPanics,
    Kicked,
    FailsAtAnEvent,
    PanicsAtAnEvent,
    RefusedAfterAJoin,
    ConnectFails,
    ConnectPanics,
    ConnectTakesTooLong,
    LayerIsClosed,
    ServerStops,
}

impl Way {
    /// Returns what `#[connect]` does after it has joined. In these cases there is no consumer, and no `disconnect`.
    fn of_connect(self) -> Option<&'static str> {
        match self {
            RefusedAfterAJoin => Some("refuse"),
            ConnectFails => Some("fail"),
            ConnectPanics => Some("panic"),
            ConnectTakesTooLong => Some("wait"),
            _ => None,
        }
    }
}

use Way::{
    ClientBreaksTheProtocol, ClientCloses, ClientIsHalfOpen, ClientIsHalfOpenWhileAHandlerSends, ClientIsIdle,
    ClientReadsTooSlowly, ClientVanishes, ConnectFails, ConnectPanics, ConnectTakesTooLong, FailsAtAnEvent,
    HandlerCloses, HandlerFails, HandlerPanics, Kicked, LayerIsClosed, MailboxIsFull, PanicsAtAnEvent,
    RefusedAfterAJoin, ServerStops,
};

on_both_servers!(termination_of_socket_leaves_nothing_behind);

/// Each termination path, and the code that `disconnect` gets.
const WAYS: [(Way, Option<u16>); 20] = [
    (ClientCloses, Some(4001)),
    (ClientVanishes, Some(1006)),
    (ClientBreaksTheProtocol, Some(1003)),
    (ClientIsHalfOpen, Some(1006)),
    (ClientIsHalfOpenWhileAHandlerSends, Some(1006)),
    (ClientIsIdle, Some(1001)),
    (ClientReadsTooSlowly, Some(1013)),
    (MailboxIsFull, Some(1013)),
    (HandlerCloses, Some(1000)),
    (HandlerFails, Some(1011)),
    (HandlerPanics, Some(1011)),
    (Kicked, Some(1000)),
    (FailsAtAnEvent, Some(1011)),
    (PanicsAtAnEvent, Some(1011)),
    (RefusedAfterAJoin, None),
    (ConnectFails, None),
    (ConnectPanics, None),
    (ConnectTakesTooLong, None),
    (LayerIsClosed, Some(1001)),
    (ServerStops, Some(1012)),
];

/// Ends one connection in this way. Returns the client if it is still held.
async fn take(way: Way, app: &App, (mut client, name): (Client, ChannelName<Leaver>)) -> Option<Client> {
    let layer = app.layer();
    match way {
        ClientCloses => client.disconnect(CloseCode::app::<4001>()).await.unwrap(),
        ClientVanishes => return None,
        ClientBreaksTheProtocol => client.send_binary_to("where text is wanted").await.unwrap(),
        ClientIsHalfOpen | ClientIsIdle => {}
        ClientIsHalfOpenWhileAHandlerSends => client.send_to("send").await.unwrap(),
        ClientReadsTooSlowly => {
            for _ in 0..30 {
                layer.send(&name, &Shown { text: "x".repeat(100_000) }).await.unwrap();
            }
        }
        MailboxIsFull => {
            for text in ["wait", "", "", "", "", ""] {
                _ = layer.send(&name, &Note { text: text.into() }).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        HandlerCloses => client.send_to("close").await.unwrap(),
        HandlerFails => client.send_to("fail").await.unwrap(),
        HandlerPanics => client.send_to("panic").await.unwrap(),
        Kicked => layer.send(&name, &Note { text: "close".into() }).await.unwrap(),
        FailsAtAnEvent => layer.send(&name, &Note { text: "fail".into() }).await.unwrap(),
        PanicsAtAnEvent => layer.send(&name, &Note { text: "panic".into() }).await.unwrap(),
        RefusedAfterAJoin | ConnectFails | ConnectPanics | ConnectTakesTooLong => {
            drop(client);
            let mut refused =
                app.new_client().header("x-connect", way.of_connect().expect("the path ends in `#[connect]`"));
            assert!(refused.connect().await.is_err());
            return None;
        }
        LayerIsClosed => layer.close().await,
        ServerStops => {
            let stopping = app.channels.clone();
            tokio::spawn(async move { stopping.shutdown(Duration::from_secs(60)).await });
        }
    }
    Some(client)
}

async fn leaves_nothing(way: Way, code: Option<u16>) {
    let app = App::new();
    // One connection comes and goes, so that the tasks that serve all connections run.
    drop(app.client().await);
    until_within(HOUR, "the first connection ends", async || app.seen() == [0; 4]).await;
    app.codes.lock().unwrap().clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tasks = alive_tasks();
    let kept = Arc::strong_count(&app.codes);

    // Another member, which is not affected unless all connections end.
    let others = !matches!(way, LayerIsClosed | ServerStops);
    let mut other = if others { Some(app.client().await.0) } else { None };
    let one = app.client().await;
    assert_eq!(app.seen(), [1 + usize::from(others), 1 + usize::from(others), 1, 1 + usize::from(others)]);
    let left = take(way, &app, one).await;
    let mut held = left;
    let mine = usize::from(others);
    until_within(HOUR, "the connection ends", async || {
        // The other client is alive: it reads and so answers pings.
        if let Some(other) = &mut other {
            while !other.receive_nothing().await {
                other.receive_from().await.expect("the other connection stays open");
            }
            if way == ClientIsIdle {
                other.send_to("not idle").await.unwrap();
            }
        }
        if way == ClientIsIdle
            && let Some(idle) = &mut held
        {
            idle.receive_nothing().await;
        }
        // If `#[connect]` ends the connection, the code is that of the client that left before.
        app.seen() == [mine; 4] && app.codes.lock().unwrap().len() == 1
    })
    .await;
    let codes = app.codes.lock().unwrap().clone();
    assert_eq!(codes.first().copied(), code.or(Some(1006)), "{way:?}");
    drop((held, other));
    until_within(HOUR, "all connections end", async || app.seen() == [0; 4]).await;
    until_within(HOUR, "every task of the connections ends", async || alive_tasks() <= tasks).await;
    // Each consumer and each scope holds the codes.
    assert_eq!(Arc::strong_count(&app.codes), kept, "{way:?}: nothing of a connection remains");
    assert_eq!(
        app.codes.lock().unwrap().len(),
        usize::from(others) + 1,
        "{way:?}: `disconnect` ran once per connection"
    );
    let stats = app.channels.stats().connections;
    let counted = [
        (ClientIsIdle, stats.idle),
        (ClientReadsTooSlowly, stats.too_slow),
        (MailboxIsFull, stats.behind),
        (ClientIsHalfOpen, stats.unanswered),
        (ClientIsHalfOpenWhileAHandlerSends, stats.unanswered),
    ];
    for (counted, figure) in counted {
        assert!((counted == way) <= (figure == 1), "{way:?}: {stats:?}");
    }
    if !counted.iter().any(|(counted, _)| *counted == way) {
        let mut none = ConnectionStats::default();
        // The protocol is broken by a frame of the wrong kind.
        none.refused = u64::from(way == ClientBreaksTheProtocol);
        assert_eq!(stats, none, "{way:?}");
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn termination_leaves_nothing_behind() {
    for (way, code) in WAYS {
        runtime().block_on(leaves_nothing(way, code));
    }
}

#[test]
fn dropped_runtime_leaves_no_stale_member() {
    let app = App::new();
    for _ in 0..3 {
        let runtime = runtime();
        let clients = runtime.block_on(async {
            let clients = (app.client().await, app.client().await, app.client().await);
            app.layer().send(&clients.0.1, &Note { text: "wait".into() }).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(app.seen(), [3, 3, 1, 3]);
            clients
        });
        drop(runtime);
        // The process and the layer live on, but nothing of the connections does. Without a runtime, `disconnect` does not
        // run.
        assert_eq!(app.seen(), [0; 4]);
        drop(clients);
    }
    assert!(app.codes.lock().unwrap().is_empty());
}

/// Connects a client that does nothing else, and reads its channel name, which is all that it is sent on connect.
async fn socket(address: SocketAddr) -> TcpStream {
    let mut answer = send_request(address, &handshake("/ws", "Host: ours\n")).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.socket.read_u8().await.unwrap(), 0x81);
    let mut name = vec![0; answer.socket.read_u8().await.unwrap().into()];
    answer.socket.read_exact(&mut name).await.unwrap();
    answer.socket
}

/// The tasks that serve all connections: two of the server, the heartbeat, login expiry, the checks of logins, and the write queue.
const FOR_ALL: usize = 6;

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The termination paths that need a real socket. `known` counts the members that Redis knows, and `tasks` counts tasks
/// except those of the layer.
async fn over_sockets(front: Front, layer: &ChannelLayer, known: impl Fn() -> i64, tasks: impl Fn() -> usize) {
    let app = App::on(layer.clone(), in_a_hurry().connect_deadline(Duration::from_secs(3600)));
    let server = Server::start_consumer::<Leaver>(front, &app.channels).await;
    let address = server.address;
    // One connection comes and goes, so that the tasks that serve all connections run.
    drop(socket(address).await);
    until("the first connection ends", || app.seen() == [0; 4] && known() == 0 && tasks() <= FOR_ALL).await;
    app.codes.lock().unwrap().clear();
    let forgotten = async |who: &str, codes: &[u16]| {
        until("every task of the connections ends", || tasks() <= FOR_ALL).await;
        // The application and its authenticator hold the codes, and so does each consumer and scope.
        let kept = || app.channels.stats().admitted + Arc::strong_count(&app.codes) - 2;
        until(who, || app.seen() == [0; 4] && known() == 0 && kept() == 0).await;
        assert_eq!(std::mem::take(&mut *app.codes.lock().unwrap()), codes, "{who}");
    };
    let closes = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

    let mut polite = socket(address).await;
    polite.write_all(&closes).await.unwrap();
    forgotten("one who says good-bye", &[1000]).await;

    drop(socket(address).await);
    forgotten("one who hangs up", &[1006]).await;

    let reset = socket(address).await;
    reset.set_zero_linger().unwrap();
    drop(reset);
    forgotten("one whose socket is reset", &[1006]).await;

    // In the middle of a frame, with a running handler.
    let mut reset = socket(address).await;
    reset.write_all(&[0x81, 0x84, 0, 0, 0, 0, b's', b'e', b'n', b'd', 0x81, 0x84, 0]).await.unwrap();
    until("the handler has sent", || app.channels.inspect().backlog.bytes > 0).await;
    reset.set_zero_linger().unwrap();
    drop(reset);
    forgotten("one whose socket is reset while a handler sends", &[1006]).await;

    let half_open = socket(address).await;
    forgotten("one who is half open", &[1006]).await;
    assert_eq!(app.channels.stats().connections.unanswered, 1);
    drop(half_open);

    // The client is gone before the response.
    let mut early = TcpStream::connect(address).await.unwrap();
    let request = handshake("/ws", "Host: ours\nX-Connect: wait\n").replace('\n', "\r\n");
    early.write_all(request.as_bytes()).await.unwrap();
    until("`connect` has joined", || layer.members_here(&Ways).unwrap() == 1).await;
    early.set_zero_linger().unwrap();
    drop(early);
    forgotten("one who goes while `connect` runs", &[]).await;

    server.stop().await;
}

async fn termination_of_socket_leaves_nothing_behind(front: Front) {
    over_sockets(front, &ChannelLayer::in_memory(), || 0, alive_tasks).await;
}

/// In real time, with a short heartbeat.
fn in_a_hurry() -> ChannelsBuilder {
    Channels::builder()
        .heartbeat(Duration::from_millis(500), Duration::from_secs(2))
        .idle_limit(Duration::from_secs(3))
        .connect_deadline(Duration::from_secs(2))
}

/// Runs all paths in sequence; slow ones overlap with the next. `known` counts the members that Redis knows.
async fn termination_leaves_nothing_in_redis(layer: &ChannelLayer, known: impl Fn() -> i64) {
    // The connections of the pool have tasks, too, which come and go.
    over_sockets(Front::Ours, layer, &known, || 0).await;
    let forgotten = async |app: &App| until("no connection remains", || app.seen() == [0; 4] && known() == 0).await;
    let app = App::on(layer.clone(), in_a_hurry());
    let mut held = Vec::new();
    for (way, _) in WAYS.into_iter().filter(|(way, _)| !matches!(way, LayerIsClosed | ServerStops)) {
        let one = app.client().await;
        assert!(known() > 0);
        held.push(take(way, &app, one).await);
    }
    forgotten(&app).await;
    // If `#[connect]` ended the connection, the code is that of the client that left before.
    assert_eq!(app.codes.lock().unwrap().len(), WAYS.len() - 2, "`disconnect` ran for each connection");
    drop(held);

    let app = App::on(layer.clone(), in_a_hurry());
    let there = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clients = runtime.block_on(async { (app.client().await, app.client().await) });
        // The layer's own runtime lives on.
        drop((runtime, clients));
        app
    });
    let app = tokio::task::spawn_blocking(|| there.join().unwrap()).await.unwrap();
    forgotten(&app).await;

    for way in [ServerStops, LayerIsClosed] {
        let app = App::on(layer.clone(), in_a_hurry());
        let one = app.client().await;
        assert!(known() > 0);
        let held = take(way, &app, one).await;
        forgotten(&app).await;
        drop(held);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn termination_leaves_nothing_in_redis_on_core() {
    let redis = RedisServer::start();
    let config = LayerConfig::default().capacity(3);
    let layer = ChannelLayer::redis_core_with(&[redis.url()], config).await.unwrap();
    termination_leaves_nothing_in_redis(&layer, || redis.ask("ZCARD asgi:group:ways").number()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn termination_leaves_nothing_in_redis_on_pubsub() {
    let redis = RedisServer::start();
    let config = LayerConfig::default().capacity(3);
    let layer = ChannelLayer::redis_pubsub_with(&[redis.url()], config).await.unwrap();
    termination_leaves_nothing_in_redis(&layer, || {
        let channels = redis.ask("PUBSUB CHANNELS asgispecific.*").list().len();
        redis.ask("PUBSUB NUMSUB asgi__group__ways").list()[1].number() + i64::try_from(channels).unwrap()
    })
    .await;
}
