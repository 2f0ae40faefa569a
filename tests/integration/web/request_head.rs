//! The syntax of a handshake (RFC 6455 4.2.1, RFC 9110 7.8, RFC 9112 3.2), its size, and what a consumer may answer.

use axum::Router;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use warp::Filter;
use warp::http::{HeaderName, HeaderValue};

use crate::support::app::{Front, Server, on_both_servers};
use crate::support::client::{handshake, send_request};
use crate::support::records::Records;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

/// Answers with a header that only the server may write, and rejects with the status in the path.
struct Answering;

#[consumer]
impl Answering {
    #[connect]
    fn connect(cx: &mut Context<Self>, word: String) -> Result<Self, Reject> {
        if let Ok(status) = word.parse() {
            return Err(Reject::new(status));
        }
        assert!(!cx.set_subprotocol(&word), "the client has not offered it");
        if let Ok(name) = word.parse::<HeaderName>() {
            cx.append_header(name, HeaderValue::from_static("chat"));
        }
        Ok(Self)
    }
}

on_both_servers!(
    handshake_needs_host_upgrade_version_and_key,
    path_above_2_kib_is_414_and_headers_above_16_kib_are_431,
);

async fn serve(front: Front, channels: &Channels) -> Server {
    match front {
        Front::Ours => {
            let path = warp::path!("ws" / String);
            Server::start(channels, channels.route::<Answering>(path).or(channels.sse::<Answering>(path))).await
        }
        Front::Axum => {
            let route = channels.axum_sse::<Answering>().and_websocket();
            Server::start_axum(channels, Router::new().consumer("/ws/{word}", route)).await
        }
    }
}

async fn handshake_needs_host_upgrade_version_and_key(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = serve(front, &channels).await;
    let version = "Sec-WebSocket-Version: 13\n";
    let host = format!("Host: {}\n", server.address);
    let rest = format!("{KEY}{version}");
    let connection = "Connection: Upgrade\n";
    let upgrade = "Upgrade: websocket\n";
    let whole = format!("{connection}{upgrade}{rest}");
    let mut malformed = 0;
    for (headers, wanted) in [
        (format!("{host}{whole}"), 101),
        (format!("Host: \n{whole}"), 101),
        (format!("{host}{connection}Upgrade: WebSocket, h2c\n{rest}"), 101),
        (format!("{host}{connection}Upgrade: h2c ,websocket\n{rest}"), 101),
        (format!("{host}{connection}Upgrade: h2c\nUpgrade: websocket\n{rest}"), 101),
        (format!("{host}{connection}Upgrade: h2c\n{rest}"), 400),
        (format!("{host}{connection}Upgrade: websockets\n{rest}"), 400),
        (format!("{host}{connection}{rest}"), 400),
        (format!("{host}Connection: keep-alive\nConnection: upgrade\n{upgrade}{rest}"), 101),
        (format!("{host}Connection: keep-alive, UPGRADE\n{upgrade}{rest}"), 101),
        (format!("{host}Connection: keep-alive\n{upgrade}{rest}"), 400),
        (format!("{host}{upgrade}{rest}"), 400),
        (whole.clone(), 400),
        (format!("{host}{host}{whole}"), 400),
        (format!("{host}Host: evil.example\n{whole}"), 400),
        (format!("Host: two words\n{whole}"), 400),
        (format!("Host: user@example.org\n{whole}"), 400),
        (format!("Host: ours:99999\n{whole}"), 400),
        (format!("Host: ours:http\n{whole}"), 400),
        (format!("Host: evil.example,ours\n{whole}"), 400),
        (format!("{host}{whole}Content-Length: 5\n"), 400),
        (format!("{host}{whole}Transfer-Encoding: chunked\n"), 400),
        (format!("{host}{connection}{upgrade}{KEY}{version}{version}"), 400),
        (format!("{host}{connection}{upgrade}{KEY}"), 426),
        (format!("{host}{connection}{upgrade}{KEY}Sec-WebSocket-Version: 8\n"), 426),
        (format!("{host}{connection}{upgrade}{KEY}Sec-WebSocket-Version: 13, 8\n"), 426),
        (format!("{host}{connection}{upgrade}{version}"), 400),
        (format!("{host}{connection}{upgrade}{KEY}{KEY}{version}"), 400),
        (format!("{host}{connection}{upgrade}{version}Sec-WebSocket-Key: twenty-four characters!!\n"), 400),
        (format!("{host}{connection}{upgrade}{version}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\n"), 400),
        (format!("{host}{connection}{upgrade}{version}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\n"), 400),
    ] {
        let response = send_request(server.address, &format!("GET /ws/lobby HTTP/1.1\n{headers}\n")).await;
        assert_eq!(response.status, wanted, "{headers}\n{}", response.head);
        if wanted == 426 {
            assert_eq!(response.header("sec-websocket-version"), Some("13"), "{}", response.head);
        }
        // Without the header `Upgrade: websocket`, the request is not a handshake.
        malformed += u64::from(wanted >= 400 && (headers.contains(upgrade) || !headers.contains("Upgrade:")));
    }
    // Of these, two are not handshakes: no `Upgrade`, and `Connection` without it.
    assert!(channels.stats().handshakes.malformed >= malformed - 2, "{:?}", channels.stats().handshakes);
    server.stop().await;
}

#[tokio::test]
async fn request_without_single_host_is_400_unless_it_is_http_1_0() {
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.health()).await;
    for (request, wanted) in [
        ("GET /healthz HTTP/1.1\nHost: ours\n\n", 200),
        ("GET /healthz HTTP/1.1\n\n", 400),
        ("GET /healthz HTTP/1.1\nHost: ours\nHost: ours\n\n", 400),
        ("GET /healthz HTTP/1.0\n\n", 200),
        ("GET /healthz HTTP/1.0\nHost: ours\nHost: other\n\n", 400),
    ] {
        assert_eq!(send_request(server.address, request).await.status, wanted, "{request}");
    }
    assert_eq!(channels.stats().handshakes.malformed, 3);
    server.stop().await;
}

// On one thread, whose log it reads.
#[tokio::test]
async fn handshake_headers_from_consumer_are_removed() {
    removes_handshake_headers(Front::Ours).await;
    removes_handshake_headers(Front::Axum).await;
}

async fn removes_handshake_headers(front: Front) {
    let (log, _guard) = Records::listen();
    let channels = Channels::builder().build().unwrap();
    let server = serve(front, &channels).await;
    let host = format!("Host: {}\n", server.address);
    for header in ["sec-websocket-protocol", "sec-websocket-extensions", "content-length", "transfer-encoding"] {
        let websocket = send_request(server.address, &handshake(&format!("/ws/{header}"), &host)).await;
        let stream = format!("GET /ws/{header} HTTP/1.1\n{host}Accept: text/event-stream\n\n");
        let stream = send_request(server.address, &stream).await;
        for (response, status) in [(websocket, 101), (stream, 200)] {
            assert_eq!(response.status, status, "{header}");
            assert_ne!(response.header(header), Some("chat"), "{}", response.head);
        }
        let records = log.take("a consumer cannot set this header");
        assert!(matches!(&records[..], [one, _] if one.field("header") == header), "{records:?}");
    }
    let own = send_request(server.address, &handshake("/ws/x-room", &host)).await;
    assert_eq!((own.status, own.header("x-room")), (101, Some("chat")));
    drop(own);
    server.stop().await;
}

#[tokio::test]
async fn status_that_does_not_reject_is_500_and_logged() {
    logs_status_that_does_not_reject(Front::Ours).await;
    logs_status_that_does_not_reject(Front::Axum).await;
}

async fn logs_status_that_does_not_reject(front: Front) {
    let (log, _guard) = Records::listen();
    let channels = Channels::builder().build().unwrap();
    let server = serve(front, &channels).await;
    let host = format!("Host: {}\n", server.address);
    for (status, wanted) in [(200, 500), (600, 500), (999, 500), (429, 429), (599, 599)] {
        let response = send_request(server.address, &handshake(&format!("/ws/{status}"), &host)).await;
        assert_eq!(response.status, wanted, "{status}");
        let records = log.take("`connect` failed");
        let named = records.iter().any(|record| record.field("error").starts_with(&status.to_string()));
        assert_eq!(named, wanted == 500, "{status}: {records:?}");
    }
    server.stop().await;
}

async fn path_above_2_kib_is_414_and_headers_above_16_kib_are_431(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = serve(front, &channels).await;
    let host = format!("Host: {}\n", server.address);
    let cookie = |length: usize| format!("{host}Cookie: {}\n", "a".repeat(length));
    for (path, headers, wanted) in [
        (format!("/ws/{}", "x".repeat(2044)), cookie(8000), 101),
        (format!("/ws/{}", "x".repeat(2045)), host.clone(), 414),
        ("/ws/lobby".into(), cookie(16_000), 101),
        ("/ws/lobby".into(), cookie(16_500), 431),
        (format!("/ws/lobby?{}", "x".repeat(16_500)), host.clone(), 431),
    ] {
        let request = handshake(&path, &headers);
        assert_eq!(send_request(server.address, &request).await.status, wanted, "{} {wanted}", path.len());
        let stream = format!("GET {path} HTTP/1.1\n{headers}Accept: text/event-stream\n\n");
        let wanted = if wanted == 101 { 200 } else { wanted };
        assert_eq!(send_request(server.address, &stream).await.status, wanted, "{} {wanted}", path.len());
    }
    assert_eq!(channels.stats().handshakes.malformed, 6);
    server.stop().await;
}
