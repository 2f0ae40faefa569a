//! Who gets in, seen from outside: origins, hosts, proxies, limits, and clients that say nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use channels_runtime::{ChannelsBuilder, DoorStats};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use warp::Filter;

use crate::raw::{Answer, ask, end, handshake, head, until};

#[derive(Default)]
struct Echo;

#[consumer]
impl Echo {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        let client = cx.scope().client().map(|client| client.ip().to_string());
        cx.send_text(format!("{text} {}", client.unwrap_or_default())).await
    }
}

struct Server {
    channels: Channels,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(builder: ChannelsBuilder) -> Self {
        let channels = builder.build();
        let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server.local_addr();
        let page = warp::path!("page").map(|| "a page");
        let length = warp::path!("length").and(warp::body::bytes());
        let length = length.map(|body: warp::hyper::body::Bytes| body.len().to_string());
        let routes = channels.route::<Echo>(warp::path!("ws")).or(page).or(length);
        Self { channels, address, task: tokio::spawn(server.serve(routes)) }
    }

    fn stats(&self) -> DoorStats {
        self.channels.stats().door
    }

    /// A handshake with these headers.
    async fn knock(&self, headers: &str) -> Answer {
        ask(self.address, &handshake("/ws", headers)).await
    }

    /// One with the right host.
    async fn enter(&self) -> Answer {
        self.knock(&format!("Host: {}\n", self.address)).await
    }

    async fn stop(self) {
        assert!(self.channels.shutdown(Duration::from_secs(10)).await, "every connection ends");
        tokio::time::timeout(Duration::from_secs(10), self.task).await.expect("the server ends").unwrap();
        assert_eq!(self.channels.stats().inside, 0);
    }
}

/// Sends a text of up to 125 bytes, and gives what comes back.
async fn say(socket: &mut TcpStream, text: &str) -> String {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    socket.write_all(&frame).await.unwrap();
    let answer = async {
        assert_eq!(socket.read_u8().await.unwrap(), 0x81);
        let mut answer = vec![0; socket.read_u8().await.unwrap().into()];
        socket.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer, never a hang")
}

/// Keeps what is logged in this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// One that hears this thread as long as what comes with it is held.
    pub(crate) fn of_this_thread(level: tracing::Level) -> (Self, (DefaultGuard, Dispatch)) {
        let log = Self::default();
        let kept = log.clone();
        // A second one, so that what the threads of other tests do not want is asked of this one, too.
        let another = Dispatch::new(tracing_subscriber::registry());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
        let subscriber = subscriber.with_writer(move || kept.clone()).finish();
        (log, (tracing::subscriber::set_default(subscriber), another))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// One thread, so that the server logs in this one.
#[tokio::test]
async fn a_page_from_elsewhere_is_refused_logged_and_counted() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::INFO);
    let server = Server::start(Channels::builder()).await;
    let host = server.address;
    for (origin, wanted) in [
        (format!("Origin: http://{host}\n"), 101),
        (format!("Origin: https://{host}\n"), 101),
        // No browser.
        (String::new(), 101),
        ("Origin: https://evil.example\n".to_owned(), 403),
        (format!("Origin: http://{}:1\n", host.ip()), 403),
        ("Origin: null\n".to_owned(), 403),
        ("Origin: \n".to_owned(), 403),
        (format!("Origin: http://{host}\nOrigin: https://evil.example\n"), 403),
        // Anybody can write that.
        ("X-Forwarded-Host: evil.example\nOrigin: https://evil.example\n".to_owned(), 403),
    ] {
        let answer = server.knock(&format!("Host: {host}\n{origin}")).await;
        assert_eq!(answer.status, wanted, "{origin}{}", answer.head);
    }
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.wrong_origin), (3, 6));
    let denials = log.text();
    let denials: Vec<_> = denials.lines().filter(|line| line.contains("origin that is not allowed")).collect();
    assert_eq!(denials.len(), 6);
    assert!(denials[0].contains("WARN") && denials[0].contains(r#"origin="https://evil.example""#), "{}", denials[0]);
    assert!(denials[0].contains(&format!("host=\"{host}\"")) && denials[0].contains("path=\"/ws\""), "{}", denials[0]);
    server.stop().await;
}

#[tokio::test]
async fn the_list_says_which_pages_may_connect() {
    let server = Server::start(
        Channels::builder().allowed_origins([".example.org", "https://example.net:8443"]).unwrap().require_origin(),
    )
    .await;
    for (origin, wanted) in [
        ("Origin: https://www.example.org\n", 101),
        ("Origin: https://example.net:8443\n", 101),
        ("Origin: https://example.net\n", 403),
        ("Origin: http://ours\n", 403),
        ("", 403),
    ] {
        assert_eq!(server.knock(&format!("Host: ours\n{origin}")).await.status, wanted, "{origin}");
    }
    server.stop().await;
    let server = Server::start(Channels::builder().allowed_origins(["*"]).unwrap()).await;
    for origin in ["Origin: null\n", "Origin: https://anywhere.example\n", ""] {
        assert_eq!(server.knock(&format!("Host: ours\n{origin}")).await.status, 101, "{origin}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is_and_what_it_asked_for() {
    let server = Server::start(Channels::builder().trusted_proxies(["127.0.0.1"]).unwrap()).await;
    let forwarded = "Host: upstream:8000\nX-Forwarded-For: 6.6.6.6, 203.0.113.5\nX-Forwarded-Host: example.org\n";
    let mut answer = server.knock(&format!("{forwarded}Origin: https://example.org\n")).await;
    assert_eq!(answer.status, 101);
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 203.0.113.5");
    assert_eq!(server.knock(&format!("{forwarded}Origin: http://upstream:8000\n")).await.status, 403);
    drop(answer);
    server.stop().await;
    let server = Server::start(Channels::builder()).await;
    let mut answer = server.knock(&format!("{forwarded}Origin: http://upstream:8000\n")).await;
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 127.0.0.1");
    drop(answer);
    server.stop().await;
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::INFO);
    let server = Server::start(Channels::builder().allowed_hosts(["example.org"]).unwrap()).await;
    assert_eq!(server.knock("Host: example.org:8000\n").await.status, 101);
    // What a page elsewhere does that gave its own name our address.
    assert_eq!(server.knock("Host: evil.example\nOrigin: http://evil.example\n").await.status, 400);
    assert_eq!(server.stats().wrong_host, 1);
    let denials = log.text();
    let denials: Vec<_> = denials.lines().filter(|line| line.contains("host that is not allowed")).collect();
    let [denial] = denials[..] else { panic!("{denials:?}") };
    assert!(denial.contains("WARN") && denial.contains(r#"host="evil.example""#), "{denial}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_limit_new_ones_come_back_later_and_the_living_are_served() {
    let server = Server::start(Channels::builder().max_connections(2)).await;
    let (mut one, two) = (server.enter().await, server.enter().await);
    for _ in 0..10 {
        let refused = server.enter().await;
        assert_eq!(refused.status, 503, "{}", refused.head);
        let wait: u64 = refused.header("retry-after").expect("a wait").parse().unwrap();
        assert!((1..=5).contains(&wait), "{wait}");
        assert_eq!(say(&mut one.socket, "still here").await, "still here 127.0.0.1");
    }
    assert_eq!((server.channels.stats().inside, server.stats().full), (2, 10));
    drop(two);
    until("a place is free", || server.channels.stats().inside == 1).await;
    assert_eq!(server.enter().await.status, 101);
    drop(one);
    server.stop().await;
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let proxied = |client: &str| format!("Host: ours\nX-Forwarded-For: {client}\n");
    let builder = Channels::builder().trusted_proxies(["127.0.0.0/8"]).unwrap().max_connections_per_address(2);
    let server = Server::start(builder).await;
    let mut inside = Vec::new();
    for _ in 0..2 {
        inside.push(server.knock(&proxied("203.0.113.5")).await);
    }
    let refused = server.knock(&proxied("203.0.113.5")).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    inside.push(server.knock(&proxied("203.0.113.6")).await);
    assert!(inside.iter().all(|answer| answer.status == 101));
    assert_eq!(server.stats().address_full, 1);
    drop(inside);
    until("all have left", || server.channels.stats().inside == 0).await;
    assert_eq!(server.knock(&proxied("203.0.113.5")).await.status, 101);
    server.stop().await;
}

#[tokio::test]
async fn one_address_takes_no_more_places_by_names_that_nobody_asked_for() {
    let server = Server::start(Channels::builder().max_connections_per_address(2)).await;
    let names = ["X-Forwarded-For: 203.0.113.", "X-Real-IP: 203.0.113.", "Forwarded: for=203.0.113."];
    let mut inside = Vec::new();
    for (number, name) in (1..=2).zip(names) {
        inside.push(server.knock(&format!("Host: ours\n{name}{number}\n")).await);
    }
    assert!(inside.iter().all(|answer| answer.status == 101));
    for (number, name) in (3..=8).zip(names.into_iter().cycle()) {
        assert_eq!(server.knock(&format!("Host: ours\n{name}{number}\n")).await.status, 429, "{name}{number}");
    }
    assert_eq!((server.channels.stats().inside, server.stats().address_full), (2, 6));
    drop(inside);
    server.stop().await;
}

#[tokio::test]
async fn so_many_handshakes_a_second_and_no_more() {
    const RATE: u64 = 5;
    let server = Server::start(Channels::builder().max_handshakes_per_second(5)).await;
    let begun = Instant::now();
    for _ in 0..40 {
        assert!([101, 503].contains(&server.enter().await.status));
    }
    let (stats, took) = (server.stats(), begun.elapsed());
    assert_eq!(stats.accepted + stats.too_fast, 40);
    let earned = RATE * (took.as_secs() + 1);
    assert!((RATE..=RATE + earned).contains(&stats.accepted), "{stats:?} in {took:?}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_refused_at_the_door_never_reaches_the_application() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let builder = Channels::builder().max_connections(1).authenticator(move |_: Scope| {
        *counted.lock().unwrap() += 1;
        async { Err::<Option<()>, _>(Reject::unauthorized()) }
    });
    let server = Server::start(builder).await;
    assert_eq!(server.knock("Host: ours\nOrigin: https://evil.example\n").await.status, 403);
    assert_eq!(*asked.lock().unwrap(), 0);
    // One that the application refuses gives its place back.
    for _ in 0..3 {
        assert_eq!(server.enter().await.status, 401);
    }
    assert_eq!((*asked.lock().unwrap(), server.stats().rejected, server.channels.stats().inside), (3, 3, 0));
    server.stop().await;
}

/// An authenticator that asks a database which does not answer.
async fn no_answer(_: Scope) -> Result<Option<()>, Reject> {
    std::future::pending().await
}

#[tokio::test]
async fn one_who_cannot_be_let_in_in_time_comes_back_later() {
    let deadline = Duration::from_millis(50);
    let server = Server::start(Channels::builder().connect_deadline(deadline).authenticator(no_answer)).await;
    let refused = server.enter().await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{}", refused.head);
    assert_eq!((server.stats().timed_out, server.channels.stats().inside), (1, 0));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn unless_told_otherwise_a_client_is_let_in_within_five_seconds() {
    let channels = Channels::builder().authenticator(no_answer).build();
    let mut client = WebsocketCommunicator::new(channels.route::<Echo>(warp::path!("ws")), "/ws");
    let begun = tokio::time::Instant::now();
    let refused = client.connect().await.unwrap_err();
    assert!(matches!(refused, CommunicatorError::Refused { status: 503, .. }), "{refused}");
    // The clock stands still while anything happens.
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_say_little_make_room_for_one_that_speaks() {
    let builder = Channels::builder().max_waiting_sockets(8).header_deadline(Duration::from_secs(3600));
    let server = Server::start(builder).await;
    let mut slow = Vec::new();
    for number in 0..50 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        if number % 2 == 0 {
            socket.write_all(b"GET /ws HTTP/1.1\r\nHost: ").await.unwrap();
        }
        slow.push(socket);
    }
    let mut answer = server.enter().await;
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 127.0.0.1");
    // All but eight of the fifty, and one more for the one that speaks, if the last were not there yet.
    until("the oldest are dropped", || server.stats().crowded_out >= 42).await;
    assert!(server.stats().crowded_out <= 43, "{:?}", server.stats());
    for socket in slow.drain(..40) {
        end(socket).await;
    }
    drop((slow, answer));
    server.stop().await;
}

/// The head of a request is whole at once, and the rest never comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_never_come_make_room_and_one_that_is_slow_arrives() {
    let builder = Channels::builder().max_waiting_sockets(8).header_deadline(Duration::from_secs(3600));
    let server = Server::start(builder).await;
    let post =
        |length: usize| format!("POST /length HTTP/1.1\r\nHost: ours\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(&[&post(10)[..], b"x"].concat()).await.unwrap();
        slow.push(socket);
    }
    // Four of the fifty may stay, and four of those whose heads were not read yet.
    until("the oldest are dropped", || server.stats().crowded_out >= 42).await;
    // One that is slow, and comes when the others have had their chance, is not dropped for those who ask.
    let mut upload = TcpStream::connect(server.address).await.unwrap();
    upload.write_all(&post(10)).await.unwrap();
    upload.write_all(b"01234").await.unwrap();
    let mut answer = server.enter().await;
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 127.0.0.1");
    for _ in 0..20 {
        slow.push(TcpStream::connect(server.address).await.unwrap());
    }
    until("those who ask make room for each other", || server.stats().crowded_out >= 58).await;
    upload.write_all(b"56789").await.unwrap();
    let mut answered = head(upload).await;
    assert_eq!(answered.status, 200);
    let mut length = [0; 2];
    answered.socket.read_exact(&mut length).await.unwrap();
    assert_eq!(&length, b"10");
    drop((slow, answer, answered));
    server.stop().await;
}

#[tokio::test]
async fn a_head_has_a_deadline_and_a_size() {
    let server = Server::start(Channels::builder().header_deadline(Duration::from_millis(300))).await;
    for begin in ["", "G", "GET /ws HTTP/1.1\r\nHost: "] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        end(socket).await;
    }
    // Between two requests, too; a socket that has become a WebSocket may be silent.
    let mut open = server.enter().await;
    let page = ask(server.address, "GET /page HTTP/1.1\nHost: ours\n\n").await;
    assert_eq!(page.status, 200);
    end(page.socket).await;
    assert_eq!(say(&mut open.socket, "hi").await, "hi 127.0.0.1");
    // Whoever was served before and says nothing more is no attacker.
    until("those who said too little are counted", || server.stats().head_late == 3).await;

    // The server hangs up on the rest, and that may overtake its answer.
    let large = format!("GET /page HTTP/1.1\r\nHost: ours\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    _ = socket.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    let many = format!("GET /page HTTP/1.1\nHost: ours\n{}\n", "X: x\n".repeat(200));
    assert_eq!(ask(server.address, &many).await.status, 431);
    until("those who said too much are counted", || server.stats().head_too_large == 2).await;
    assert_eq!(server.stats().head_late, 3);
    drop(open);
    server.stop().await;
}

/// Each byte comes in time, and the head never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_comes_byte_by_byte_has_the_same_deadline() {
    const DEADLINE: Duration = Duration::from_millis(500);
    let server = Server::start(Channels::builder().header_deadline(DEADLINE)).await;
    let dribbles = async |mut socket: TcpStream, begin: &[u8]| {
        let begun = Instant::now();
        socket.write_all(begin).await.unwrap();
        let (mut reads, mut writes) = socket.split();
        let mut every = tokio::time::interval(DEADLINE / 10);
        let mut written = 0;
        let mut heard = [0; 1];
        loop {
            tokio::select! {
                // Both may be dropped and asked anew. A write that fails is followed by the end of what is heard.
                _ = every.tick() => written += usize::from(writes.write_all(b"x").await.is_ok()),
                // A reset is an end, too.
                end = reads.read(&mut heard) => {
                    assert_eq!(end.unwrap_or(0), 0, "nobody answers half a head");
                    break;
                }
            }
            // Long enough for a busy machine, and no deadline at all if each byte began it anew.
            assert!(begun.elapsed() < 20 * DEADLINE, "it is still open, {written} bytes later");
        }
        assert!(begun.elapsed() >= DEADLINE / 2, "it had its time: {:?}", begun.elapsed());
    };
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    tokio::join!(dribbles(first, b"GET /"), dribbles(second, b"GET /ws HTTP/1.1\r\nHost: ours\r\nX: "));
    until("both are counted", || server.stats().head_late == 2).await;
    server.stop().await;
}

#[tokio::test]
async fn a_second_request_waits_its_turn_in_the_line_of_those_who_wait() {
    let server = Server::start(Channels::builder().max_waiting_sockets(1)).await;
    let page = ask(server.address, "GET /page HTTP/1.1\nHost: ours\n\n").await;
    let mut socket = page.socket;
    let mut body = [0; 6];
    socket.read_exact(&mut body).await.unwrap();
    // It has been served and waits again; the next one to come takes its place.
    assert_eq!(server.enter().await.status, 101);
    until("it was dropped", || server.stats().crowded_out == 1).await;
    end(socket).await;
    // Two requests over one socket need one place.
    let page = ask(server.address, "GET /page HTTP/1.1\nHost: ours\n\n").await;
    let mut socket = page.socket;
    socket.read_exact(&mut body).await.unwrap();
    socket.write_all(b"GET /page HTTP/1.1\r\nHost: ours\r\n\r\n").await.unwrap();
    assert_eq!(head(socket).await.status, 200);
    assert_eq!(server.stats().crowded_out, 1);
    server.stop().await;
}
