//! How a server ends, and how another one takes its place.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use warp::Filter;

use crate::example::{Example, program};
use crate::raw::{ask, end, handshake, until};
use crate::redis::{RedisServer, Reply};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(30);

/// How long the client of a closed connection should wait.
fn told_to_wait(message: &Message) -> Option<Duration> {
    let Message::Close(Some(frame)) = message else { return None };
    assert_eq!(u16::from(frame.code), 1012);
    let wait = frame.reason.strip_prefix("reconnect in ")?.strip_suffix(" ms")?;
    Some(Duration::from_millis(wait.parse().ok()?))
}

async fn next(client: &mut Client) -> Option<Message> {
    loop {
        let message = tokio::time::timeout(PATIENCE, client.next()).await.expect("a message in time")?.ok()?;
        if !message.is_ping() {
            return Some(message);
        }
    }
}

static GONE: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
struct Guest;

#[consumer]
impl Guest {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, code: CloseCode) {
        assert_eq!(code, 1012);
        GONE.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_closes_in_waves_and_says_when_to_come_back() {
    const CLIENTS: usize = 400;
    let channels = Channels::builder().build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    let serving = tokio::spawn(server.serve(channels.route::<Guest>(warp::path!("ws"))));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = connect_async(format!("ws://{address}/ws")).await.unwrap().0;
        clients.spawn(async move {
            let told = told_to_wait(&next(&mut client).await.expect("a close frame")).expect("a wait");
            let at = Instant::now();
            while next(&mut client).await.is_some() {}
            (told, at)
        });
    }
    until("all are in", || channels.connections() == CLIENTS).await;
    let begun = Instant::now();
    assert!(channels.shutdown(Duration::from_secs(20)).await, "every connection ends");
    // 400 of them, at most 1,000 a second, every 50 ms.
    assert!(begun.elapsed() >= Duration::from_millis(350), "in waves: {:?}", begun.elapsed());
    assert_eq!(GONE.load(SeqCst), CLIENTS, "`disconnect` ran");
    let (waits, mut closed): (Vec<_>, Vec<_>) = clients.join_all().await.into_iter().unzip();
    // Fifty in each wave, and nobody before it, however busy the machine is.
    closed.sort();
    for (number, at) in closed.iter().enumerate() {
        let wave = Duration::from_millis(50) * u32::try_from(number / 50).unwrap();
        assert!(*at - begun >= wave, "client {number} was closed after {:?}, before {wave:?}", *at - begun);
    }
    assert!(waits.iter().all(|wait| *wait < Duration::from_secs(1)), "{waits:?}");
    let tenths: HashSet<_> = waits.iter().map(|wait| wait.as_millis() / 100).collect();
    assert_eq!(tenths.len(), 10, "spread over a second");
    tokio::time::timeout(PATIENCE, serving).await.expect("the server ends").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[derive(Default)]
struct Visitor;

#[consumer]
impl Visitor {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, code: CloseCode) {
        assert_eq!(code, CloseCode::SERVICE_RESTART);
    }
}

/// Of so many clients: after how long each is closed, and how long it is told to wait.
async fn closed_and_told(clients: usize, builder: ChannelsBuilder, deadline: Duration) -> Vec<(Duration, Duration)> {
    let channels = builder.build();
    let route = channels.route::<Visitor>(warp::path!("ws")).boxed();
    let mut inside = Vec::new();
    for _ in 0..clients {
        let mut client = WebsocketCommunicator::new(route.clone(), "/ws").with_patience(PATIENCE);
        client.connect().await.unwrap();
        inside.push(client);
    }
    assert_eq!(channels.connections(), clients);
    let begun = tokio::time::Instant::now();
    let mut closed = JoinSet::new();
    for mut client in inside {
        closed.spawn(async move {
            let (code, reason) = client.receive_close().await.unwrap();
            assert_eq!(code, CloseCode::SERVICE_RESTART);
            let wait = reason.strip_prefix("reconnect in ").and_then(|rest| rest.strip_suffix(" ms")).unwrap();
            (begun.elapsed(), Duration::from_millis(wait.parse().unwrap()))
        });
    }
    assert!(channels.shutdown(deadline).await, "every connection ends");
    closed.join_all().await
}

#[tokio::test(start_paused = true)]
async fn the_waves_fill_their_window_and_no_more() {
    let window = |milliseconds| Channels::builder().drain_window(Duration::from_millis(milliseconds));
    let long = Duration::from_secs(20);
    for (clients, builder, deadline, waves, spread) in [
        // At most 1,000 a second, where the window is longer than that takes.
        (300, Channels::builder(), long, 6, 1000),
        (400, window(200), long, 4, 1000),
        (400, window(0), long, 1, 1000),
        // And at most half of the deadline.
        (400, Channels::builder(), Duration::from_millis(200), 2, 1000),
        (1500, window(1200), long, 24, 1200),
    ] {
        let seen = closed_and_told(clients, builder, deadline).await;
        let mut by_wave = vec![0; waves];
        for (closed, told) in seen {
            // A timer may be a millisecond late.
            let wave = usize::try_from(closed.as_millis() / 50).unwrap();
            assert!(wave < waves, "{clients} in {waves} waves: one was closed after {closed:?}");
            by_wave[wave] += 1;
            assert!(told < Duration::from_millis(spread), "told to wait {told:?}, of {spread} ms");
        }
        let share = clients.div_ceil(waves);
        assert!(by_wave.iter().all(|wave| *wave <= share) && by_wave[0] == share, "{by_wave:?}");
    }
}

#[derive(Default)]
struct Stuck;

#[consumer]
impl Stuck {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _text: String) -> Result<()> {
        cx.send_text("here for ever").await?;
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_does_not_end_is_not_waited_for_beyond_the_deadline() {
    let channels = Channels::builder().build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    let serving = tokio::spawn(server.serve(channels.route::<Stuck>(warp::path!("ws"))));
    let mut client = connect_async(format!("ws://{address}/ws")).await.unwrap().0;
    client.send(Message::text("stay")).await.unwrap();
    assert_eq!(next(&mut client).await, Some(Message::text("here for ever")));
    let begun = Instant::now();
    assert!(!channels.shutdown(Duration::from_secs(1)).await, "one is left, and whoever asked is told");
    assert!((Duration::from_secs(1)..PATIENCE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(
        told_to_wait(&next(&mut client).await.expect("a close frame")).is_some(),
        "its client was told all the same"
    );
    tokio::time::timeout(PATIENCE, serving).await.expect("the server ends").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_becomes_whole_is_not_waited_for() {
    let long = Duration::from_secs(3600);
    let channels = Channels::builder().header_deadline(long).shutdown_deadline(long).build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    let serving = tokio::spawn(server.serve(channels.route::<Guest>(warp::path!("ws"))));
    // One says nothing, one says a part, and one has been answered and says a part of its next request.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /ws HTTP/1.1\r\nHost: ").await.unwrap();
    let nothing = "GET /nothing HTTP/1.1\nHost: ours\n\n";
    let mut answered = ask(address, nothing).await.socket;
    answered.write_all(b"GET /ws HTTP/1.1\r\nHost: ").await.unwrap();
    // What was said before is most likely read by now.
    ask(address, nothing).await;
    assert!(channels.shutdown(PATIENCE).await);
    tokio::time::timeout(PATIENCE, serving).await.expect("nobody is waited for").unwrap();
    for socket in [silent, slow, answered] {
        end(socket).await;
    }
}

/// Sends a signal to a process of this test.
fn signal(chat: &Example, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &chat.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

async fn ended(mut chat: Example) -> ExitStatus {
    tokio::task::spawn_blocking(move || chat.wait()).await.unwrap()
}

async fn member(address: SocketAddr) -> Client {
    connect_async(format!("ws://{address}/ws/chat/lobby/")).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_everything_in_order_and_the_exit_code_is_0() {
    let redis = RedisServer::start();
    let chat = Example::start("chat", &["--layer", "core", "--redis", &redis.url()]);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(member(chat.address()).await);
    }
    assert_eq!(members(&redis), 20);
    signal(&chat, "TERM");
    for client in &mut clients {
        assert!(told_to_wait(&next(client).await.expect("a close frame")).is_some());
        assert!(next(client).await.is_none());
    }
    assert!(ended(chat).await.success());
    assert_eq!(members(&redis), 0, "no ghosts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_waits_for_nobody() {
    let chat = Example::start("chat", &[]);
    // It never answers the close frame, and is waited for.
    let mut deaf = ask(chat.address(), &handshake("/ws/chat/lobby/", "Host: ours\n")).await;
    let begun = Instant::now();
    signal(&chat, "TERM");
    assert_eq!(tokio::io::AsyncReadExt::read_u8(&mut deaf.socket).await.unwrap(), 0x88);
    signal(&chat, "TERM");
    assert!(ended(chat).await.success());
    assert!(begun.elapsed() < Duration::from_secs(5), "sooner than the client's time is over: {:?}", begun.elapsed());
}

fn members(redis: &RedisServer) -> i64 {
    match redis.ask("ZCARD asgi:group:chat_lobby") {
        Reply::Number(members) => members,
        other => panic!("{other:?}"),
    }
}

/// Makes this test, as a process, a server.
const IS_A_SERVER: &str = "CHANNELS_SERVER_THAT_STOPS";

const DEADLINE: Duration = Duration::from_secs(1);

/// What a program with a server does until it is told to stop.
async fn serves() {
    let channels = Channels::builder().shutdown_deadline(DEADLINE).build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    println!("listening on {}", server.local_addr());
    server.serve(channels.route::<Stuck>(warp::path!("ws"))).await;
}

/// Starts such a process, lets this happen to it, and gives how long it takes to end when it is told to.
async fn ends_after<Held>(happens: impl AsyncFnOnce(SocketAddr) -> Held) -> Duration {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shutdown::a_process_ends_well_at_its_deadline_whoever_is_stuck", "--nocapture"])
        .env(IS_A_SERVER, "yes")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut says = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = tokio::time::timeout(PATIENCE, says.next_line()).await.expect("it listens in time");
        let line = line.unwrap().expect("it says where it listens");
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.parse().unwrap();
        }
    };
    let held = happens(address).await;
    let begun = Instant::now();
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = tokio::time::timeout(DEADLINE + PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
    drop(held);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_ends_well_at_its_deadline_whoever_is_stuck() {
    if std::env::var_os(IS_A_SERVER).is_some() {
        return serves().await;
    }
    let (nobody, deaf, stuck) = tokio::join!(
        // Served twice: whatever a server does at its beginning is done.
        ends_after(async |address| {
            for _ in 0..2 {
                ask(address, "GET /nothing HTTP/1.1\nHost: ours\n\n").await;
            }
        }),
        // It never answers the close frame.
        ends_after(async |address| ask(address, &handshake("/ws", "Host: ours\n")).await),
        ends_after(async |address| {
            let mut client = connect_async(format!("ws://{address}/ws")).await.unwrap().0;
            client.send(Message::text("stay")).await.unwrap();
            assert_eq!(next(&mut client).await, Some(Message::text("here for ever")));
            client
        }),
    );
    let busy = Duration::from_secs(8);
    assert!(nobody < busy, "nobody was there: {nobody:?}");
    for (who, ended) in [("deaf", deaf), ("stuck", stuck)] {
        assert!((DEADLINE..DEADLINE + busy).contains(&ended), "one was {who}: {ended:?}");
    }
}

/// What stands before the processes in production: passes each connection on to the one that was started last.
struct Balancer {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Balancer {
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(target));
        let targets = Arc::clone(&target);
        let task = tokio::spawn(async move {
            let mut passing = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let target = *targets.lock().unwrap();
                passing.spawn(async move {
                    let mut server = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { address, target, task }
    }

    fn turn_to(&self, chat: &Example) {
        *self.target.lock().unwrap() = chat.address();
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all clients of the rolling restart saw.
#[derive(Default)]
struct Seen {
    open: AtomicUsize,
    /// How often a connection was lost without being told when to come back.
    cut_off: AtomicUsize,
    /// When those who were told are to come back.
    told: Mutex<Vec<Instant>>,
    returned: Mutex<Vec<Instant>>,
    heard: AtomicUsize,
}

/// A client that stays in the room whatever happens, as the example's page does, and now and then says something.
async fn stay(address: SocketAddr, seen: Arc<Seen>) {
    let mut again = false;
    loop {
        let mut client = member(address).await;
        if again {
            seen.returned.lock().unwrap().push(Instant::now());
        }
        again = true;
        seen.open.fetch_add(1, SeqCst);
        let mut talking = tokio::time::interval(Duration::from_millis(500));
        let told = loop {
            tokio::select! {
                // Both may be dropped and asked anew. A send that fails is followed by the end of what is heard.
                _ = talking.tick() => drop(client.send(Message::text(r#"{"message": "noise"}"#)).await),
                heard = client.next() => match heard {
                    Some(Ok(Message::Text(text))) => {
                        if text.as_str().contains("at the end") {
                            seen.heard.fetch_add(1, SeqCst);
                        }
                    }
                    Some(Ok(close @ Message::Close(_))) => break told_to_wait(&close),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break None,
                },
            }
        };
        seen.open.fetch_sub(1, SeqCst);
        match told {
            Some(wait) => {
                seen.told.lock().unwrap().push(Instant::now() + wait);
                while let Some(Ok(_)) = client.next().await {}
                tokio::time::sleep(wait).await;
            }
            None => _ = seen.cut_off.fetch_add(1, SeqCst),
        }
    }
}

/// Nobody is to come in one moment because everybody is: no tenth of a second has more than a third of them, and at least six
/// have some.
fn no_herd(times: impl Iterator<Item = Duration>) {
    let mut tenths: Vec<usize> = Vec::new();
    for time in times {
        let tenth = usize::try_from(time.as_millis() / 100).unwrap();
        tenths.resize(tenths.len().max(tenth + 1), 0);
        tenths[tenth] += 1;
    }
    let all: usize = tenths.iter().sum();
    let used = tenths.iter().filter(|share| **share > 0).count();
    assert!(used >= 6 && tenths.iter().all(|share| *share <= all / 3), "a herd: {tenths:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_are_replaced_under_load_without_ghosts_and_without_a_herd() {
    const CLIENTS: usize = 120;
    let redis = RedisServer::start();
    let flags = ["--layer", "core", "--redis", &redis.url()];
    let mut chats = Vec::new();
    let balancer = {
        chats.push(Example::start("chat", &flags));
        Balancer::start(chats[0].address()).await
    };
    let seen = Arc::<Seen>::default();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        if number == CLIENTS / 2 {
            chats.push(Example::start("chat", &flags));
            balancer.turn_to(&chats[1]);
        }
        clients.spawn(stay(balancer.address, Arc::clone(&seen)));
        until("a client is in", || seen.open.load(SeqCst) == number + 1).await;
    }
    assert_eq!(members(&redis), i64::try_from(CLIENTS).unwrap());
    // The new ones, until the test is done.
    let mut kept = Vec::new();
    for old in chats {
        let new = Example::start("chat", &flags);
        balancer.turn_to(&new);
        let begun = Instant::now();
        signal(&old, "TERM");
        assert!(ended(old).await.success());
        until("all are back", || seen.open.load(SeqCst) == CLIENTS).await;
        let returned = std::mem::take(&mut *seen.returned.lock().unwrap());
        let told = std::mem::take(&mut *seen.told.lock().unwrap());
        assert!(returned.len() >= CLIENTS / 2 && told.len() == returned.len(), "{} of {}", returned.len(), told.len());
        // Not when they came: on a busy machine that is when it had time for them.
        no_herd(told.into_iter().map(|at| at - begun));
        kept.push(new);
    }
    assert_eq!(seen.cut_off.load(SeqCst), 0, "everybody was told when to come back");
    assert_eq!(members(&redis), i64::try_from(CLIENTS).unwrap(), "no ghosts");
    let mut speaker = member(balancer.address).await;
    speaker.send(Message::text(json!({"message": "at the end"}).to_string())).await.unwrap();
    until("everybody hears it", || seen.heard.load(SeqCst) == CLIENTS).await;
    clients.shutdown().await;
    drop(kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_systemd_hands_over_is_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The socket becomes the shell's input, and then the file 3, where systemd puts it.
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --addr 127.0.0.1:1"#)
        .arg(program("chat"))
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener.try_clone().unwrap())))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), format!("listening on http://{address}/"));
    let mut client = member(address).await;
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(told_to_wait(&next(&mut client).await.unwrap()).is_some());
    drop(client);
    assert!(tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap().success());
    // The socket outlives the process: who knocks now waits for the next one.
    TcpStream::connect(address).await.unwrap();
}

/// The health of an application, asked over another one's socket, which goes on when it stops.
async fn watch(channels: &Channels) -> (SocketAddr, JoinHandle<()>) {
    let server = Channels::builder().build().bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    (server.local_addr(), tokio::spawn(server.serve(channels.health())))
}

/// What `/healthz` and `/readyz` are answered with.
async fn health(address: SocketAddr) -> (u16, u16) {
    let status = async |path| ask(address, &format!("GET /{path} HTTP/1.1\nHost: ours\n\n")).await.status;
    (status("healthz").await, status("readyz").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn green_health_and_a_dead_bus_are_told_apart() {
    let redis = RedisServer::start();
    let url = [redis.url()];
    for layer in [ChannelLayer::redis_core(&url).await.unwrap(), ChannelLayer::redis_pubsub(&url).await.unwrap()] {
        let channels = Channels::builder().layer(layer).build();
        let (address, watching) = watch(&channels).await;
        assert_eq!(health(address).await, (200, 200));
        redis.signal("STOP");
        assert_eq!(health(address).await, (200, 503));
        redis.signal("CONT");
        let back = async {
            while health(address).await != (200, 200) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, back).await.expect("it is ready again");
        assert!(channels.shutdown(Duration::from_secs(10)).await);
        assert_eq!(health(address).await, (200, 503));
        watching.abort();
    }
}

#[tokio::test]
async fn the_layer_in_memory_is_ready_until_it_is_closed() {
    let channels = Channels::builder().build();
    let (address, watching) = watch(&channels).await;
    assert_eq!(health(address).await, (200, 200));
    channels.channel_layer().close().await;
    assert_eq!(health(address).await, (200, 503));
    watching.abort();
}
