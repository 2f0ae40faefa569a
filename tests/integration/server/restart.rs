//! Processes that are stopped by a signal or replaced, and sockets that systemd passes on.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;

use crate::server::drain::{PATIENCE, Stuck, told_to_wait};
use crate::support::app::{Front, on_both_servers};
use crate::support::client::{Client, connect, handshake, next_or_end, send_request};
use crate::support::example::{Example, program};
use crate::support::redis::{RedisServer, Reply};
use crate::support::until::{until, within};

on_both_servers!(
    sigterm_closes_clients_and_exits_with_0,
    shutdown_deadline_ends_process_with_stuck_clients,
    second_sigterm_exits_immediately,
    rolling_restart_under_load_spreads_reconnects,
    systemd_socket_is_used,
);

/// Returns the name of the chat's example, as warp routes or as an axum application.
fn chat(front: Front) -> &'static str {
    match front {
        Front::Ours => "chat",
        Front::Axum => "axum-chat",
    }
}

/// Starts the chat with this Redis.
fn start(front: Front, redis: &RedisServer) -> Example {
    match front {
        Front::Ours => Example::start(chat(front), &["--layer", "core", "--redis", &redis.url()]),
        Front::Axum => {
            let config = json!({"hosts": [redis.url()]});
            let layer = json!({"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config});
            Example::start_with_layers(chat(front), &json!({"default": layer}))
        }
    }
}

async fn ended(mut chat: Example) -> ExitStatus {
    tokio::task::spawn_blocking(move || chat.wait()).await.unwrap()
}

async fn member(address: SocketAddr) -> Client {
    connect(address, "/ws/chat/lobby/").await
}

async fn sigterm_closes_clients_and_exits_with_0(front: Front) {
    let redis = RedisServer::start();
    let chat = start(front, &redis);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(member(chat.address()).await);
    }
    assert_eq!(members(&redis), 20);
    chat.signal("TERM");
    for client in &mut clients {
        assert!(told_to_wait(&next_or_end(client).await.expect("a close frame")).is_some());
        assert!(next_or_end(client).await.is_none());
    }
    assert!(ended(chat).await.success());
    assert_eq!(members(&redis), 0, "no stale members");
}

fn members(redis: &RedisServer) -> i64 {
    match redis.ask("ZCARD asgi:group:chat_lobby") {
        Reply::Number(members) => members,
        other => panic!("{other:?}"),
    }
}

/// Makes a test, started as a process, run a server. The value is the `shutdown_deadline` in seconds.
const IS_A_SERVER: &str = "CHANNELS_SERVER_THAT_STOPS";

/// Returns the deadline of the server that this process should run, if it should.
fn is_a_server() -> Option<Duration> {
    let seconds = std::env::var(IS_A_SERVER).ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// Runs a server until it is stopped by a signal.
async fn serves(front: Front, deadline: Duration) {
    let channels = Channels::builder().shutdown_deadline(deadline).build().unwrap();
    let all_ended = match front {
        Front::Ours => {
            let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
            println!("listening on {}", server.local_addr());
            server.serve(channels.route::<Stuck>(warp::path!("ws"))).await.is_ok()
        }
        Front::Axum => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            println!("listening on {}", listener.local_addr().unwrap());
            let app = Router::new().consumer("/ws", channels.axum::<Stuck>());
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            let (stop, stopped) = oneshot::channel();
            let serving = axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap() });
            let mut all_ended = false;
            // As in docs/axum.md.
            let stopping = async {
                all_ended = channels.shutdown_on_signal().await;
                stop.send(()).unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            tokio::select! {
                served = serving => served.unwrap(),
                () = stopping => {}
            }
            all_ended
        }
    };
    std::process::exit(if all_ended { 0 } else { CUT_OFF });
}

/// The exit code of a server that has left connections.
const CUT_OFF: i32 = 7;

/// A process that runs a server.
struct Process {
    child: tokio::process::Child,
    address: SocketAddr,
}

impl Process {
    /// Runs this test as a process with this server.
    async fn start(front: Front, test: &str, deadline: Duration) -> Self {
        let module = match front {
            Front::Ours => "on_ours",
            Front::Axum => "on_axum",
        };
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("server::restart::{module}::{test}"), "--nocapture"])
            .env(IS_A_SERVER, deadline.as_secs().to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut says = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = tokio::time::timeout(PATIENCE, says.next_line()).await.expect("the process listens in time");
            let line = line.unwrap().expect("the process prints its address");
            if let Some((_, address)) = line.split_once("listening on ") {
                return Self { child, address: address.parse().unwrap() };
            }
        }
    }

    fn terminate(&self) {
        let id = self.child.id().expect("the process is running").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until the process has ended, and returns its exit code.
    async fn code(mut self) -> Option<i32> {
        within(self.child.wait()).await.unwrap().code()
    }
}

const DEADLINE: Duration = Duration::from_secs(1);

/// Starts a process, runs `happens`, and returns how long the process takes to end after SIGTERM. It exits with `code`.
async fn ends_after<Held>(front: Front, code: i32, happens: impl AsyncFnOnce(SocketAddr) -> Held) -> Duration {
    let process = Process::start(front, "shutdown_deadline_ends_process_with_stuck_clients", DEADLINE).await;
    let held = happens(process.address).await;
    let begun = Instant::now();
    process.terminate();
    assert_eq!(process.code().await, Some(code));
    drop(held);
    begun.elapsed()
}

async fn shutdown_deadline_ends_process_with_stuck_clients(front: Front) {
    if let Some(deadline) = is_a_server() {
        return serves(front, deadline).await;
    }
    let (nobody, deaf, stuck) = tokio::join!(
        // A client that never sends its request, and one whose responses show that the server has started completely.
        ends_after(front, 0, async |address| {
            let silent = TcpStream::connect(address).await.unwrap();
            for _ in 0..2 {
                send_request(address, "GET /nothing HTTP/1.1\nHost: ours\n\n").await;
            }
            silent
        }),
        // The client never answers the close frame.
        ends_after(front, CUT_OFF, async |address| send_request(address, &handshake("/ws", "Host: ours\n")).await),
        ends_after(front, CUT_OFF, async |address| {
            let mut client = connect(address, "/ws").await;
            client.send(Message::text("stay")).await.unwrap();
            assert_eq!(next_or_end(&mut client).await, Some(Message::text("here for ever")));
            client
        }),
    );
    let busy = Duration::from_secs(8);
    assert!(nobody < busy, "without clients: {nobody:?}");
    for (who, ended) in [("deaf", deaf), ("stuck", stuck)] {
        assert!((DEADLINE..DEADLINE + busy).contains(&ended), "with a client that is {who}: {ended:?}");
    }
}

async fn second_sigterm_exits_immediately(front: Front) {
    if let Some(deadline) = is_a_server() {
        return serves(front, deadline).await;
    }
    let process = Process::start(front, "second_sigterm_exits_immediately", Duration::from_secs(3600)).await;
    let mut client = connect(process.address, "/ws").await;
    // The handler never returns, so the server waits for it.
    client.send(Message::text("stay")).await.unwrap();
    assert_eq!(next_or_end(&mut client).await, Some(Message::text("here for ever")));
    process.terminate();
    assert!(told_to_wait(&next_or_end(&mut client).await.expect("a close frame")).is_some());
    process.terminate();
    assert_eq!(process.code().await, Some(CUT_OFF));
}

/// The load balancer of a deployment: it forwards each connection to the process that was started last.
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

/// What the clients of the rolling restart observed.
#[derive(Default)]
struct Seen {
    open: AtomicUsize,
    /// The number of connections that ended without a reconnect delay.
    cut_off: AtomicUsize,
    /// The times at which the closed clients should reconnect.
    told: Mutex<Vec<Instant>>,
    returned: Mutex<Vec<Instant>>,
    heard: AtomicUsize,
}

/// A client that stays in the room, reconnects as the example's page does, and sends now and then.
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
                // Both futures may be dropped. A failed send is followed by the end of the stream.
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

/// Asserts that the reconnects are spread out: no tenth of a second has more than a third of them, and at least six tenths
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
    assert!(used >= 6 && tenths.iter().all(|share| *share <= all / 3), "the reconnects are not spread out: {tenths:?}");
}

async fn rolling_restart_under_load_spreads_reconnects(front: Front) {
    const CLIENTS: usize = 120;
    let redis = RedisServer::start();
    let mut chats = Vec::new();
    let balancer = {
        chats.push(start(front, &redis));
        Balancer::start(chats[0].address()).await
    };
    let seen = Arc::<Seen>::default();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        if number == CLIENTS / 2 {
            chats.push(start(front, &redis));
            balancer.turn_to(&chats[1]);
        }
        clients.spawn(stay(balancer.address, Arc::clone(&seen)));
        until("a client is connected", || seen.open.load(SeqCst) == number + 1).await;
    }
    assert_eq!(members(&redis), i64::try_from(CLIENTS).unwrap());
    // The new processes, kept until the test ends.
    let mut kept = Vec::new();
    for old in chats {
        let new = start(front, &redis);
        balancer.turn_to(&new);
        let begun = Instant::now();
        old.signal("TERM");
        assert!(ended(old).await.success());
        until("all clients have reconnected", || seen.open.load(SeqCst) == CLIENTS).await;
        let returned = std::mem::take(&mut *seen.returned.lock().unwrap());
        let told = std::mem::take(&mut *seen.told.lock().unwrap());
        assert!(returned.len() >= CLIENTS / 2 && told.len() == returned.len(), "{} of {}", returned.len(), told.len());
        // The requested times, not the actual ones, which depend on a busy machine.
        no_herd(told.into_iter().map(|at| at - begun));
        kept.push(new);
    }
    assert_eq!(seen.cut_off.load(SeqCst), 0, "every client received a reconnect delay");
    assert_eq!(members(&redis), i64::try_from(CLIENTS).unwrap(), "no stale members");
    let mut speaker = member(balancer.address).await;
    speaker.send(Message::text(json!({"message": "at the end"}).to_string())).await.unwrap();
    until("every client receives the message", || seen.heard.load(SeqCst) == CLIENTS).await;
    clients.shutdown().await;
    drop(kept);
}

async fn systemd_socket_is_used(front: Front) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The socket becomes the shell's input, and then file 3, where systemd puts it.
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --addr 127.0.0.1:1"#)
        .arg(program(chat(front)))
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener.try_clone().unwrap())))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), format!("listening on http://{address}/"));
    let mut client = member(address).await;
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(told_to_wait(&next_or_end(&mut client).await.unwrap()).is_some());
    drop(client);
    assert!(tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap().success());
    // The socket outlives the process: new connections wait for the next process.
    TcpStream::connect(address).await.unwrap();
}
