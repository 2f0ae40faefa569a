//! Server-sent events: a consumer over plain HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use channels_runtime::ChannelsBuilder;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::web::axum::RouterExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use warp::Filter;

use crate::support::app::{Front, Server, on_both_servers, user_or_nobody};
use crate::support::until::{until, within};

on_both_servers!(
    sse_and_websocket_receive_same_events,
    sse_rejected_client_gets_reason,
    sse_close_is_last_message,
    sse_stream_ends_with_retry_on_shutdown,
    sse_client_stays_connected,
    sse_slow_client_is_closed,
);

#[event("news.posted")]
struct Posted {
    text: String,
}

#[event("news.told")]
struct Told {
    how: String,
}

#[group("news", events(Posted, Told))]
struct News;

type Codes = Arc<Mutex<Vec<u16>>>;

struct NewsConsumer {
    codes: Codes,
}

#[consumer]
impl NewsConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, channel: String) -> Result<Self, Reject> {
        let codes = cx.scope().user::<Codes>().ok_or(Reject::unauthorized())?.clone();
        if channel == "closed" {
            return Err(Reject::not_found().reason("no such channel"));
        }
        cx.group_add(&News).await?;
        cx.append_header("x-channel".parse()?, channel.parse()?);
        cx.send_text(format!("welcome to {channel}")).await?;
        Ok(Self { codes })
    }

    #[handler("news.posted")]
    fn posted(event: &Posted) -> String {
        event.text.clone()
    }

    #[handler("news.told")]
    async fn told(&mut self, cx: &mut Context<Self>, event: &Told) -> Result<()> {
        match event.how.as_str() {
            "close" => cx.close_with(CloseCode::app::<4001>(), "enough"),
            "fail" => return Err(Error::msg("as asked")),
            "binary" => cx.send_binary(vec![1, 2, 3]).await?,
            text => cx.send_text(text).await?,
        }
        Ok(())
    }

    #[disconnect]
    fn disconnect(&mut self, _: &mut Context<Self>, code: CloseCode) {
        self.codes.lock().unwrap().push(code.as_u16());
    }
}

struct App {
    channels: Channels,
    codes: Codes,
    server: Server,
}

/// A WebSocket, server-sent events and a page on one path.
fn routes(channels: &Channels) -> impl Routes + use<> {
    let path = warp::path!("news" / String);
    let page = path.map(|channel: String| format!("the page of {channel}"));
    channels.route::<NewsConsumer>(path).or(channels.sse::<NewsConsumer>(path)).or(page)
}

/// The same without the page.
fn router(channels: &Channels) -> Router {
    Router::new().consumer("/news/{channel}", channels.axum_sse::<NewsConsumer>().and_websocket())
}

const PATIENCE: Duration = Duration::from_secs(20);

impl App {
    async fn start(front: Front, builder: ChannelsBuilder) -> Self {
        let codes = Codes::default();
        let layer = ChannelLayer::in_memory_with(LayerConfig::default().capacity(1000));
        let channels = builder.layer(layer).authenticator(user_or_nobody(Arc::clone(&codes))).build().unwrap();
        let server = match front {
            Front::Ours => Server::start(&channels, routes(&channels)).await,
            Front::Axum => Server::start_axum(&channels, router(&channels)).await,
        };
        Self { channels, codes, server }
    }

    async fn listen(&self, channel: &str, headers: &str) -> Listener {
        let head = format!("GET /news/{channel} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.server.address);
        Listener::new(TcpStream::connect(self.server.address).await.unwrap(), &head).await
    }

    /// Returns a client that has received its welcome.
    async fn listener(&self) -> Listener {
        let mut listener = self.listen("today", EVENTS).await;
        assert_eq!(listener.status, 200);
        assert_eq!(listener.next_message().await.unwrap(), "retry: 3000\n");
        assert_eq!(listener.next_message().await.unwrap(), "data: welcome to today\n");
        listener
    }

    async fn post(&self, text: &str) {
        self.channels.channel_layer().group_send(&News, &Posted { text: text.into() }).await.unwrap();
    }

    async fn tell(&self, how: &str) {
        self.channels.channel_layer().group_send(&News, &Told { how: how.into() }).await.unwrap();
    }

    /// Waits until this many connections have ended, and returns their codes.
    async fn ended(&self, many: usize) -> Vec<u16> {
        within(async {
            while self.codes.lock().unwrap().len() < many || self.channels.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        self.codes.lock().unwrap().clone()
    }
}

const EVENTS: &str = "Accept: text/event-stream\r\n";

/// A client that reads a chunked response.
struct Listener {
    socket: BufReader<TcpStream>,
    status: u16,
    head: String,
    text: String,
}

impl Listener {
    async fn new(socket: TcpStream, head: &str) -> Self {
        let mut socket = BufReader::new(socket);
        socket.get_mut().write_all(head.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(within(socket.read_line(&mut head)).await.unwrap(), 0, "{head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { socket, status, head: head.to_ascii_lowercase(), text: String::new() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Returns the body of a response with a length.
    async fn body(mut self) -> String {
        let mut body = vec![0; self.header("content-length").unwrap().parse().unwrap()];
        within(self.socket.read_exact(&mut body)).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Returns the lines up to the next empty one, or `None` after the last chunk.
    async fn next_message(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                let mut message = std::mem::replace(&mut self.text, rest);
                message.pop();
                return Some(message);
            }
            let mut size = String::new();
            assert_ne!(within(self.socket.read_line(&mut size)).await.unwrap(), 0, "the stream ends early");
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            within(self.socket.read_exact(&mut chunk)).await.unwrap();
            if size == 0 {
                assert_eq!(self.text, "", "the last message is complete");
                return None;
            }
            self.text += std::str::from_utf8(&chunk[..size]).unwrap();
        }
    }
}

async fn sse_and_websocket_receive_same_events(front: Front) {
    let app = App::start(front, Channels::builder()).await;
    let mut listener = app.listener().await;
    assert_eq!(listener.header("content-type"), Some("text/event-stream"));
    assert_eq!(listener.header("cache-control"), Some("no-store"));
    assert_eq!(listener.header("x-accel-buffering"), Some("no"));
    assert_eq!(listener.header("x-channel"), Some("today"));
    assert_eq!(listener.header("access-control-allow-origin"), None);
    let authenticated = app.codes.clone();
    let channels = app.channels.clone();
    assert_eq!((channels.connections(), channels.stats().handshakes.accepted), (1, 1));
    let mut socket = match front {
        Front::Ours => WebsocketCommunicator::new(routes(&channels), "/news/today"),
        Front::Axum => WebsocketCommunicator::new(router(&channels), "/news/today"),
    };
    socket.connect().await.unwrap();
    assert_eq!(socket.receive_text_from().await.unwrap(), "welcome to today");
    for text in ["one", "two\nlines", "{\"json\": \"it\\nis\"}", "with an é", ""] {
        app.post(text).await;
        let lines: Vec<_> = text.split('\n').map(|line| format!("data: {line}\n")).collect();
        assert_eq!(listener.next_message().await.unwrap(), lines.concat());
        assert_eq!(socket.receive_text_from().await.unwrap(), text);
    }
    // With `&mut self`, and in order with the rendered events.
    for number in 0..200 {
        if number % 2 == 0 { app.post(&number.to_string()).await } else { app.tell(&number.to_string()).await }
    }
    for number in 0..200 {
        assert_eq!(listener.next_message().await.unwrap(), format!("data: {number}\n"));
    }
    drop(listener);
    socket.disconnect(CloseCode::NORMAL).await.unwrap();
    let mut codes = app.ended(2).await;
    codes.sort_unstable();
    assert_eq!(codes, [1000, 1006]);
    assert_eq!(authenticated.lock().unwrap().len(), 2);
    assert_eq!((channels.stats().admitted, channels.channel_layer().channels_here()), (0, 0));
    app.server.task.abort();
}

#[tokio::test]
async fn sse_route_passes_on_other_requests() {
    let app = App::start(Front::Ours, Channels::builder()).await;
    for accept in ["", "Accept: text/html\r\n", "Accept: */*\r\n"] {
        assert_eq!(app.listen("today", accept).await.body().await, "the page of today");
    }
    let mixed = app.listen("today", "Accept: application/json, text/event-stream;q=0.5\r\n").await;
    assert_eq!(mixed.header("content-type"), Some("text/event-stream"));
    app.server.task.abort();
}

async fn sse_rejected_client_gets_reason(front: Front) {
    let builder = Channels::builder().allowed_origins(["https://example.org", "127.0.0.1"]);
    let app = App::start(front, builder.max_connections_per_address(1)).await;
    let rejected = app.listen("closed", EVENTS).await;
    assert_eq!(rejected.status, 404);
    assert_eq!(rejected.body().await, "no such channel");
    let nobody = app.listen("today", &format!("{EVENTS}X-Nobody: yes\r\n")).await;
    assert_eq!(nobody.status, 401);
    let elsewhere = app.listen("today", &format!("{EVENTS}Origin: https://example.net\r\n")).await;
    assert_eq!(elsewhere.status, 403);
    let image = app.listen("today", &format!("{EVENTS}Sec-Fetch-Site: cross-site\r\n")).await;
    assert_eq!(image.status, 403);
    let page = app.listen("today", &format!("{EVENTS}Origin: https://example.org\r\n")).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("access-control-allow-origin"), Some("https://example.org"));
    assert_eq!(page.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(page.header("vary"), Some("origin"));
    let second = app.listen("today", EVENTS).await;
    assert_eq!(second.status, 429);
    assert!(second.header("retry-after").is_some());
    let stats = app.channels.stats().handshakes;
    assert_eq!((stats.accepted, stats.rejected, stats.wrong_origin, stats.address_full), (1, 2, 2, 1));
    app.server.task.abort();
}

async fn sse_close_is_last_message(front: Front) {
    for (how, code, last) in [
        ("close", 4001, "event: close\ndata: {\"code\":4001,\"reason\":\"enough\"}\n"),
        ("fail", 1011, "event: close\ndata: {\"code\":1011,\"reason\":\"\"}\n"),
        (
            "binary",
            1003,
            "event: close\ndata: {\"code\":1003,\"reason\":\"a binary frame cannot be a server-sent event\"}\n",
        ),
    ] {
        let app = App::start(front, Channels::builder()).await;
        let mut listener = app.listener().await;
        app.tell("before").await;
        app.tell(how).await;
        assert_eq!(listener.next_message().await.unwrap(), "data: before\n");
        assert_eq!(listener.next_message().await.unwrap(), last);
        assert_eq!(listener.next_message().await, None, "{how}");
        assert_eq!(app.ended(1).await, [code], "{how}");
        app.server.task.abort();
    }
}

async fn sse_stream_ends_with_retry_on_shutdown(front: Front) {
    let app = App::start(front, Channels::builder()).await;
    let mut listener = app.listener().await;
    assert!(app.channels.shutdown(PATIENCE).await);
    let last = listener.next_message().await.unwrap();
    let (retry, close) = last.split_once('\n').unwrap();
    let wait: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert_eq!(close, format!("event: close\ndata: {{\"code\":1012,\"reason\":\"reconnect in {wait} ms\"}}\n"));
    assert_eq!(listener.next_message().await, None);
    assert_eq!(app.ended(1).await, [1012]);
    app.server.ended().await;
}

/// Its pings are comments and need no answer, and its socket does not count as waiting.
async fn sse_client_stays_connected(front: Front) {
    let builder = Channels::builder().heartbeat(Duration::from_millis(40), Duration::from_millis(400));
    let app = App::start(front, builder.header_deadline(Duration::from_millis(100)).max_waiting_sockets(1)).await;
    let mut listener = app.listener().await;
    for _ in 0..3 {
        // These sockets wait, and each drops the previous one.
        drop(app.listen("today", "").await);
    }
    for _ in 0..20 {
        assert_eq!(listener.next_message().await.unwrap(), ": ping\n");
    }
    app.tell("still here").await;
    while listener.next_message().await.unwrap() != "data: still here\n" {}
    let stats = app.channels.stats().connections;
    assert_eq!((stats.unanswered, app.channels.connections()), (0, 1));
    app.server.task.abort();
}

/// The backlog of a client that does not read is limited, as for a WebSocket, and no other client waits.
async fn sse_slow_client_is_closed(front: Front) {
    let app = App::start(front, Channels::builder().outbound_limit(64 * 1024)).await;
    let slow = app.listener().await;
    let mut other = app.listener().await;
    let text = "x".repeat(32 * 1024);
    within(async {
        // The kernel's own buffers take some megabytes first.
        while app.channels.stats().connections.too_slow == 0 {
            app.post(&text).await;
            assert_eq!(other.next_message().await.unwrap().len(), "data: \n".len() + text.len());
        }
    })
    .await;
    // Before the client leaves, which would be another end.
    within(async {
        while app.codes.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(*app.codes.lock().unwrap(), [1013]);
    drop(slow);
    within(async {
        while app.channels.connections() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    app.server.task.abort();
}

/// Its session is over, so its socket counts as waiting; otherwise it would not be counted at all.
#[tokio::test]
async fn sse_socket_of_slow_client_counts_as_waiting() {
    let app = App::start(Front::Ours, Channels::builder().outbound_limit(64 * 1024).max_waiting_sockets(1)).await;
    let mut slow = app.listener().await;
    let text = "x".repeat(32 * 1024);
    within(async {
        while app.channels.stats().connections.too_slow == 0 {
            app.post(&text).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(app.ended(1).await, [1013]);
    assert_eq!((app.channels.stats().admitted, app.channels.stats().handshakes.crowded_out), (0, 0));
    let _another = TcpStream::connect(app.server.address).await.unwrap();
    until("the socket is dropped", || app.channels.stats().handshakes.crowded_out == 1).await;
    // The kernel's buffered bytes still arrive, without the end of the response.
    let mut rest = Vec::new();
    _ = within(slow.socket.read_to_end(&mut rest)).await;
    assert!(!String::from_utf8_lossy(&rest).contains("event: close"));
    app.server.task.abort();
}
