//! `HEAD`, and the header `Allow` of a response with 405.

use channels_runtime::prelude::*;
use warp::Filter;

use crate::support::app::Server;
use crate::support::client::send_request;
use crate::support::until::within;

#[derive(Default)]
struct News;

#[consumer]
impl News {
    #[handler(_)]
    fn any(&mut self, _cx: &mut Context<Self>, _event: &channels_runtime::Envelope) {}
}

#[tokio::test]
async fn head_has_headers_of_get_and_no_body() {
    let channels = Channels::builder().build().unwrap();
    let pages = channels.health().or(channels.metrics()).or(channels.inspection());
    let server = Server::start(&channels, pages.or(channels.sse::<News>(warp::path!("news")))).await;
    for path in ["/healthz", "/readyz", "/metrics", "/inspect.json", "/news"] {
        let request =
            |method| format!("{method} {path} HTTP/1.1\nHost: ours\nConnection: close\nAccept: text/event-stream\n\n");
        let (get, head) =
            (send_request(server.address, &request("GET")).await, send_request(server.address, &request("HEAD")).await);
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        for header in ["content-type", "cache-control"] {
            assert_eq!(get.header(header), head.header(header), "{path} {header}");
        }
        drop(get);
        assert_eq!(within(head.body()).await, "", "{path}");
    }
    // `#[connect]` has not run for `HEAD`.
    assert_eq!(channels.stats().handshakes.accepted, 1);
    server.stop().await;
}

/// A browser that guesses the type of a text could run what a client has put into it.
#[tokio::test]
async fn text_of_the_runtime_is_not_sniffed() {
    let channels = Channels::builder().build().unwrap();
    let pages = channels.health().or(channels.metrics()).or(channels.inspection());
    let server = Server::start(&channels, pages.or(channels.route::<News>(warp::path!("ws")))).await;
    for path in ["/healthz", "/readyz", "/metrics", "/inspect.json"] {
        let response = send_request(server.address, &format!("GET {path} HTTP/1.1\nHost: ours\n\n")).await;
        assert_eq!((response.status, response.header("x-content-type-options")), (200, Some("nosniff")), "{path}");
    }
    let rejected = server.handshake("Host: ours\nOrigin: https://evil.example\n").await;
    assert_eq!((rejected.status, rejected.header("x-content-type-options")), (403, Some("nosniff")));
    assert!(rejected.header("content-type").unwrap().starts_with("text/plain"));
    server.stop().await;
}

#[tokio::test]
async fn head_of_event_stream_is_refused_like_get() {
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.sse::<News>(warp::path!("news"))).await;
    let request = |headers| format!("HEAD /news HTTP/1.1\nHost: ours\n{headers}\n");
    let evil = "Accept: text/event-stream\nOrigin: https://evil.example\n";
    assert_eq!(send_request(server.address, &request(evil)).await.status, 403);
    assert_eq!(send_request(server.address, &request("Accept: text/html\n")).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn other_method_is_405_with_allow() {
    let channels = Channels::builder().build().unwrap();
    let both = warp::path!("both");
    let routes = channels
        .health()
        .or(channels.metrics())
        .or(channels.inspection())
        .or(channels.sse::<News>(warp::path!("news")))
        .or(channels.route::<News>(warp::path!("ws")))
        .or(channels.route::<News>(both).or(channels.sse::<News>(both)))
        .or(warp::path!("news").and(warp::put()).map(|| "put"));
    let server = Server::start(&channels, routes.clone()).await;
    for (method, path, status, allow) in [
        ("POST", "/healthz", 405, Some("GET, HEAD")),
        ("DELETE", "/readyz", 405, Some("GET, HEAD")),
        ("POST", "/metrics", 405, Some("GET, HEAD")),
        ("POST", "/inspect.json", 405, Some("GET, HEAD")),
        ("POST", "/news", 405, Some("GET, HEAD")),
        ("POST", "/ws", 405, Some("GET")),
        ("POST", "/both", 405, Some("GET, HEAD")),
        // Another filter takes it.
        ("PUT", "/news", 200, None),
        ("POST", "/nowhere", 404, None),
    ] {
        let request = format!("{method} {path} HTTP/1.1\nHost: ours\nContent-Length: 0\n\n");
        let response = send_request(server.address, &request).await;
        assert_eq!((response.status, response.header("allow")), (status, allow), "{method} {path}");
    }
    server.stop().await;
}
