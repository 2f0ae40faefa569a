//! Clients that close their half of the stream after the request, and balancers that begin with the PROXY protocol.

use std::time::Duration;

use channels_runtime::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warp::Filter;

use crate::support::app::Server;
use crate::support::gate::Gate;
use crate::support::log::Log;
use crate::support::redis::RedisServer;
use crate::support::until::{until, within};

/// Sends these bytes, closes this half, and returns the response up to the end of the stream.
async fn request_and_close(server: &Server, request: &str) -> String {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut response = Vec::new();
    within(socket.read_to_end(&mut response)).await.unwrap();
    String::from_utf8(response).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_closed_client_gets_readiness_over_redis() {
    let redis = RedisServer::start();
    let layer = ChannelLayer::redis_core(&[redis.url()]).await.unwrap();
    let channels = Channels::builder().layer(layer).build().unwrap();
    let server = Server::start(&channels, channels.health()).await;
    for _ in 0..10 {
        let response = request_and_close(&server, "GET /readyz HTTP/1.1\r\nHost: ours\r\n\r\n").await;
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("ready"), "{response}");
    }
    server.stop().await;
}

/// The end of the stream arrives while both requests are in the buffer, and the first of them waits.
#[tokio::test]
async fn half_closed_client_gets_every_response_and_then_the_end() {
    static LET_ON: Gate = Gate::closed();

    let channels = Channels::builder().build().unwrap();
    let slow = warp::path!("slow").and(warp::post()).and(warp::body::bytes()).then(
        |body: warp::hyper::body::Bytes| async move {
            LET_ON.pass().await;
            format!("{} bytes", body.len())
        },
    );
    let server = Server::start(&channels, slow.or(channels.health())).await;
    let begun = tokio::time::Instant::now();
    let opened = async {
        // The server has read the end of the stream by then, or reads it later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        LET_ON.open(1);
    };
    let requests = "POST /slow HTTP/1.1\r\nHost: ours\r\nContent-Length: 5\r\n\r\nhello\
                    GET /healthz HTTP/1.1\r\nHost: ours\r\n\r\n";
    let (responses, ()) = tokio::join!(request_and_close(&server, requests), opened);
    assert!(responses.contains("5 bytes") && responses.ends_with("alive"), "{responses}");
    // The server closes its half with the last response, and not at a deadline.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn half_closed_event_stream_ends() {
    #[derive(Default)]
    struct News;

    #[consumer]
    impl News {
        #[connect]
        fn connect(_cx: &mut Context<Self>) -> Result<Self, Reject> {
            Ok(Self)
        }
    }

    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.sse::<News>(warp::path!("news"))).await;
    let request = "GET /news HTTP/1.1\r\nHost: ours\r\nAccept: text/event-stream\r\n\r\n";
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    until("the stream is open", || channels.connections() == 1).await;
    socket.shutdown().await.unwrap();
    until("the stream has ended", || channels.connections() == 0).await;
    server.stop().await;
}

// A single-threaded runtime, so that the server logs in this thread.
#[tokio::test]
async fn proxy_protocol_is_counted_and_logged_once() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::INFO);
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.health()).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: ours\r\n\r\n";
    for line in
        ["PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", "PROXY UNKNOWN\r\n", "\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{c}"]
    {
        let response = request_and_close(&server, &format!("{line}{get}")).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    }
    assert!(request_and_close(&server, get).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(channels.stats().handshakes.proxy_protocol, 3);
    let records = log.text();
    let records: Vec<_> = records.lines().filter(|line| line.contains("PROXY protocol")).collect();
    assert!(
        matches!(&records[..], [record] if record.contains("WARN") && record.contains("turn it off in the balancer")),
        "{records:?}"
    );
    server.stop().await;
}
