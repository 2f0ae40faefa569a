//! Admission by origin and host, and the addresses that a trusted proxy forwards.

use channels_runtime::prelude::*;

use crate::admission::echo_server::{say, serve_echo, serve_echo_on};
use crate::support::app::{Front, on_both_servers};
use crate::support::client::{handshake, send_request};
use crate::support::log::Log;

on_both_servers!(allowed_origins_decide_which_pages_connect, trusted_proxy_sets_client_address_and_host,);

// A single-threaded runtime, so that the server logs in this thread.
#[tokio::test]
async fn foreign_origin_is_rejected_logged_and_counted() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::INFO);
    let server = serve_echo(Channels::builder()).await;
    let host = server.address;
    for (origin, wanted) in [
        (format!("Origin: http://{host}\n"), 101),
        (format!("Origin: https://{host}\n"), 101),
        // A client that is not a browser.
        (String::new(), 101),
        ("Origin: https://evil.example\n".to_owned(), 403),
        (format!("Origin: http://{}:1\n", host.ip()), 403),
        ("Origin: null\n".to_owned(), 403),
        ("Origin: \n".to_owned(), 403),
        (format!("Origin: http://{host}\nOrigin: https://evil.example\n"), 403),
        // Any client can send this header.
        ("X-Forwarded-Host: evil.example\nOrigin: https://evil.example\n".to_owned(), 403),
    ] {
        let answer = server.handshake(&format!("Host: {host}\n{origin}")).await;
        assert_eq!(answer.status, wanted, "{origin}{}", answer.head);
    }
    let stats = server.channels.stats().handshakes;
    assert_eq!((stats.accepted, stats.wrong_origin), (3, 6));
    // A page on another port in development, such as Vite's. The body names the remedy.
    let request = handshake("/ws", &format!("Host: {host}\nOrigin: http://localhost:5173\n"));
    let answer = send_request(host, &request.replace("Connection: ", "Connection: close, ")).await;
    let body = "pages of the origin `http://localhost:5173` may not connect to this server; to allow them, list the origin in \
                `allowed_origins`";
    assert_eq!(answer.body().await, body);
    let denials = log.text();
    let denials: Vec<_> = denials.lines().filter(|line| line.contains("origin that is not allowed")).collect();
    assert_eq!(denials.len(), 7);
    assert!(denials[0].contains("WARN") && denials[0].contains(r#"origin="https://evil.example""#), "{}", denials[0]);
    assert!(denials[0].contains(&format!("host=\"{host}\"")) && denials[0].contains("path=\"/ws\""), "{}", denials[0]);
    server.stop().await;
}

async fn allowed_origins_decide_which_pages_connect(front: Front) {
    let server = serve_echo_on(
        front,
        Channels::builder().allowed_origins([".example.org", "https://example.net:8443"]).require_origin(),
    )
    .await;
    for (origin, wanted) in [
        ("Origin: https://www.example.org\n", 101),
        ("Origin: https://example.net:8443\n", 101),
        ("Origin: https://example.net\n", 403),
        ("Origin: http://ours\n", 403),
        ("", 403),
    ] {
        assert_eq!(server.handshake(&format!("Host: ours\n{origin}")).await.status, wanted, "{origin}");
    }
    server.stop().await;
    let server = serve_echo_on(front, Channels::builder().allowed_origins(["*"])).await;
    for origin in ["Origin: null\n", "Origin: https://anywhere.example\n", ""] {
        assert_eq!(server.handshake(&format!("Host: ours\n{origin}")).await.status, 101, "{origin}");
    }
    server.stop().await;
}

async fn trusted_proxy_sets_client_address_and_host(front: Front) {
    let server = serve_echo_on(front, Channels::builder().trusted_proxies(["127.0.0.1"]).use_x_forwarded_host()).await;
    let forwarded = "Host: upstream:8000\nX-Forwarded-For: 6.6.6.6, 203.0.113.5\nX-Forwarded-Host: example.org\n";
    let mut answer = server.handshake(&format!("{forwarded}Origin: https://example.org\n")).await;
    assert_eq!(answer.status, 101);
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 203.0.113.5");
    assert_eq!(server.handshake(&format!("{forwarded}Origin: http://upstream:8000\n")).await.status, 403);
    drop(answer);
    server.stop().await;
    let server = serve_echo_on(front, Channels::builder()).await;
    let mut answer = server.handshake(&format!("{forwarded}Origin: http://upstream:8000\n")).await;
    assert_eq!(say(&mut answer.socket, "hi").await, "hi 127.0.0.1");
    drop(answer);
    server.stop().await;
}

/// A proxy that does not write `X-Forwarded-Host` passes on what a client wrote.
#[tokio::test]
async fn forwarded_host_of_client_passes_no_check() {
    let builder = Channels::builder().trusted_proxies(["127.0.0.1"]).allowed_hosts(["example.org"]);
    let server = serve_echo(builder).await;
    let forged = "Host: evil.example\nX-Forwarded-Host: example.org\nX-Forwarded-For: 203.0.113.5\n";
    assert_eq!(server.handshake(forged).await.status, 400);
    let more = "Forwarded: host=example.org\nX-Original-Host: example.org\nX-Host: example.org\n";
    assert_eq!(server.handshake(&format!("{forged}{more}")).await.status, 400);
    for host in ["example.org", "example.org.", "example.org.:8000"] {
        assert_eq!(server.handshake(&format!("Host: {host}\n")).await.status, 101, "{host}");
    }
    server.stop().await;
}

#[tokio::test]
async fn foreign_host_is_rejected_with_400() {
    let (log, _listening) = Log::of_this_thread(tracing::Level::INFO);
    let server = serve_echo(Channels::builder().allowed_hosts(["example.org"])).await;
    assert_eq!(server.handshake("Host: example.org:8000\n").await.status, 101);
    // DNS rebinding: a foreign page whose name resolves to this address.
    assert_eq!(server.handshake("Host: evil.example\nOrigin: http://evil.example\n").await.status, 400);
    assert_eq!(server.channels.stats().handshakes.wrong_host, 1);
    let denials = log.text();
    let denials: Vec<_> = denials.lines().filter(|line| line.contains("host that is not allowed")).collect();
    let [denial] = denials[..] else { panic!("{denials:?}") };
    assert!(denial.contains("WARN") && denial.contains(r#"host="evil.example""#), "{denial}");
    server.stop().await;
}
