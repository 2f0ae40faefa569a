//! Admission limits: connections, connections per address, handshakes per second, and the time for `#[connect]`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};

use crate::admission::echo_server::{Echo, say, serve_echo_on};
use crate::support::app::{Front, on_both_servers};
use crate::support::until::until;

on_both_servers!(
    connection_limit_rejects_new_clients_with_503,
    connection_limit_per_address_rejects_with_429,
    connection_limit_per_address_ignores_untrusted_headers,
    handshake_rate_limit_rejects_excess,
    rejected_handshake_never_reaches_authenticator,
    connect_deadline_rejects_with_503,
);

async fn connection_limit_rejects_new_clients_with_503(front: Front) {
    let server = serve_echo_on(front, Channels::builder().max_connections(2)).await;
    let (mut one, two) = (server.enter().await, server.enter().await);
    for _ in 0..10 {
        let refused = server.enter().await;
        assert_eq!(refused.status, 503, "{}", refused.head);
        let wait: u64 =
            refused.header("retry-after").expect("the response has the header `retry-after`").parse().unwrap();
        assert!((1..=5).contains(&wait), "{wait}");
        assert_eq!(say(&mut one.socket, "still here").await, "still here 127.0.0.1");
    }
    assert_eq!((server.channels.stats().admitted, server.channels.stats().handshakes.full), (2, 10));
    drop(two);
    until("a permit is released", || server.channels.stats().admitted == 1).await;
    assert_eq!(server.enter().await.status, 101);
    drop(one);
    server.stop().await;
}

async fn connection_limit_per_address_rejects_with_429(front: Front) {
    let proxied = |client: &str| format!("Host: ours\nX-Forwarded-For: {client}\n");
    let builder = Channels::builder().trusted_proxies(["127.0.0.0/8"]).max_connections_per_address(2);
    let server = serve_echo_on(front, builder).await;
    let mut inside = Vec::new();
    for _ in 0..2 {
        inside.push(server.handshake(&proxied("203.0.113.5")).await);
    }
    let refused = server.handshake(&proxied("203.0.113.5")).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    inside.push(server.handshake(&proxied("203.0.113.6")).await);
    assert!(inside.iter().all(|answer| answer.status == 101));
    assert_eq!(server.channels.stats().handshakes.address_full, 1);
    drop(inside);
    until("all connections have ended", || server.channels.stats().admitted == 0).await;
    assert_eq!(server.handshake(&proxied("203.0.113.5")).await.status, 101);
    server.stop().await;
}

async fn connection_limit_per_address_ignores_untrusted_headers(front: Front) {
    let server = serve_echo_on(front, Channels::builder().max_connections_per_address(2)).await;
    let names = ["X-Forwarded-For: 203.0.113.", "X-Real-IP: 203.0.113.", "Forwarded: for=203.0.113."];
    let mut inside = Vec::new();
    for (number, name) in (1..=2).zip(names) {
        inside.push(server.handshake(&format!("Host: ours\n{name}{number}\n")).await);
    }
    assert!(inside.iter().all(|answer| answer.status == 101));
    for (number, name) in (3..=8).zip(names.into_iter().cycle()) {
        assert_eq!(server.handshake(&format!("Host: ours\n{name}{number}\n")).await.status, 429, "{name}{number}");
    }
    assert_eq!((server.channels.stats().admitted, server.channels.stats().handshakes.address_full), (2, 6));
    drop(inside);
    server.stop().await;
}

async fn handshake_rate_limit_rejects_excess(front: Front) {
    const RATE: u64 = 5;
    let server = serve_echo_on(front, Channels::builder().max_handshakes_per_second(5)).await;
    let begun = Instant::now();
    for _ in 0..40 {
        assert!([101, 503].contains(&server.enter().await.status));
    }
    let (stats, took) = (server.channels.stats().handshakes, begun.elapsed());
    assert_eq!(stats.accepted + stats.too_fast, 40);
    let earned = RATE * (took.as_secs() + 1);
    assert!((RATE..=RATE + earned).contains(&stats.accepted), "{stats:?} in {took:?}");
    server.stop().await;
}

async fn rejected_handshake_never_reaches_authenticator(front: Front) {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let builder = Channels::builder().max_connections(1).authenticator(move |_: Scope| {
        *counted.lock().unwrap() += 1;
        async { Err::<Option<()>, _>(Reject::unauthorized()) }
    });
    let server = serve_echo_on(front, builder).await;
    assert_eq!(server.handshake("Host: ours\nOrigin: https://evil.example\n").await.status, 403);
    assert_eq!(*asked.lock().unwrap(), 0);
    // A connection that the application rejects releases its permit.
    for _ in 0..3 {
        assert_eq!(server.enter().await.status, 401);
    }
    assert_eq!(
        (*asked.lock().unwrap(), server.channels.stats().handshakes.rejected, server.channels.stats().admitted),
        (3, 3, 0)
    );
    server.stop().await;
}

/// An authenticator whose database does not answer.
async fn no_answer(_: Scope) -> Result<Option<()>, Reject> {
    std::future::pending().await
}

async fn connect_deadline_rejects_with_503(front: Front) {
    let deadline = Duration::from_millis(50);
    let server = serve_echo_on(front, Channels::builder().connect_deadline(deadline).authenticator(no_answer)).await;
    let refused = server.enter().await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{}", refused.head);
    assert_eq!((server.channels.stats().handshakes.timed_out, server.channels.stats().admitted), (1, 0));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn connect_deadline_defaults_to_five_seconds() {
    let channels = Channels::builder().authenticator(no_answer).build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Echo>(warp::path!("ws")), "/ws");
    let begun = tokio::time::Instant::now();
    let refused = client.connect().await.unwrap_err();
    assert!(matches!(refused, CommunicatorError::Refused { status: 503, .. }), "{refused}");
    // The paused clock advances only while nothing else can run.
    assert_eq!(begun.elapsed().as_secs(), 5);
}
