//! Secrets: whatever goes wrong, no log record, no error and no `Debug` output contains one. The test reads the log of every crate
//! at level `TRACE`.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::auth::Jwt;
use channels_runtime::layer::{LayerConfig, RedisHost};
use channels_runtime::prelude::*;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::auth::logins::{ANN, EXPIRED, SECRET};
use crate::support::app::Server;
use crate::support::client::{handshake, send_request};
use crate::support::log::Log;
use crate::support::redis::RedisServer;
use crate::support::until::until;

const PASSWORD: &str = "the-password-of-redis";
const WRONG_PASSWORD: &str = "a-wrong-password";
const ENCRYPTION_KEY: &str = "the-key-of-messages";
const OTHER_KEY: &str = "another-key-of-messages";
const COOKIE: &str = "the-cookie-of-ann";
const IN_A_QUERY: &str = "a-ticket-in-a-query";
const IN_A_MESSAGE: &str = "a-thing-that-was-said";

/// A number that occurs nowhere else.
const NUMBER: u64 = 4_711_471_147;

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is in the scope, but not read")]
struct User {
    sub: String,
}

#[event("secret.told")]
struct Told {
    times: u8,
    what: String,
}

#[group("secrets", events(Told))]
struct Secrets;

#[derive(Deserialize)]
struct Tell {
    times: u8,
    what: String,
}

struct Confidant;

#[consumer]
impl Confidant {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        if cx.scope().query_string().is_some() {
            return Err(Reject::from(Error::msg("a mistake in `connect`")));
        }
        cx.group_add(&Secrets).await?;
        Ok(Self)
    }

    #[receive("tell")]
    async fn tell(&mut self, cx: &mut Context<Self>, tell: Tell) -> Result<()> {
        cx.group_send(&Secrets, &Told { times: tell.times, what: tell.what }).await?;
        Err(Error::msg("a mistake in `tell`"))
    }

    #[handler("secret.told")]
    async fn told(&mut self, cx: &mut Context<Self>, event: &Told) -> Result<()> {
        cx.send_text(format!("{} {}", event.times, event.what)).await
    }
}

/// Everything that could contain a secret: the log, and what the test adds.
#[derive(Clone, Default)]
struct All(Arc<Mutex<String>>);

impl All {
    fn add(&self, what: &impl fmt::Debug) {
        *self.0.lock().unwrap() += &format!("{what:?}\n{what:#?}\n");
    }

    fn add_error(&self, error: &dyn StdError) {
        let mut next = Some(error);
        while let Some(error) = next {
            *self.0.lock().unwrap() += &format!("{error} {error:?}\n");
            next = error.source();
        }
    }
}

/// Sends a frame with a mask of zeros.
async fn send(socket: &mut TcpStream, text: &str) {
    let length = u8::try_from(text.len()).unwrap();
    let head = if length < 126 { vec![0x81, 0x80 | length] } else { vec![0x81, 0x80 | 126, 0, length] };
    socket.write_all(&[&head[..], &[0; 4], text.as_bytes()].concat()).await.unwrap();
}

// A single-threaded runtime, so that everything is logged in this thread.
#[tokio::test]
async fn secrets_never_appear_in_logs_or_errors() {
    let (log, all) = (Log::default(), All::default());
    let kept = log.clone();
    // With a single subscriber, tracing may cache that a record is disabled, because it is disabled in the threads of other tests.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || kept.clone());
    let _listening = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber.finish());

    // Redis: a wrong password, an invalid address, a server that stops, and a peer with another key.
    let redis = RedisServer::start_with(&["--requirepass", PASSWORD]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/0", redis.port());
    for wrong in
        [url(WRONG_PASSWORD), format!("redis://:{WRONG_PASSWORD}@:no-port/x"), format!("redis:/{WRONG_PASSWORD}@/")]
    {
        all.add(&RedisHost::from(wrong.as_str()));
        all.add_error(&ChannelLayer::redis_core(&[wrong.as_str()]).await.unwrap_err());
        all.add_error(&ChannelLayer::redis_pubsub(&[wrong.as_str()]).await.unwrap_err());
    }
    let config = |key: &str| LayerConfig::default().symmetric_encryption_keys([key]);
    let here = ChannelLayer::redis_pubsub_with(&[url(PASSWORD)], config(ENCRYPTION_KEY)).await.unwrap();
    let there = ChannelLayer::redis_pubsub_with(&[url(PASSWORD)], config(OTHER_KEY)).await.unwrap();
    all.add(&(&here, config(ENCRYPTION_KEY), RedisHost::from(url(PASSWORD))));

    // Admission: each place for a token, with a valid, an expired and an invalid token, also with a foreign origin.
    let seen = all.clone();
    let jwt = Jwt::hs256(SECRET).unwrap();
    all.add(&jwt);
    let authenticator = jwt.authenticator::<User>();
    let builder =
        Channels::builder().layer(here.clone()).token_parameter("token").authenticator(move |scope: Scope| {
            seen.add(&scope);
            authenticator(scope)
        });
    all.add(&builder);
    let channels = builder.build().unwrap();
    all.add(&channels);
    let server = Server::start(&channels, channels.route::<Confidant>(warp::path!("ws"))).await;
    let address = server.address;
    let host = format!("Host: {address}\nCookie: sessionid={COOKIE}\n");
    for token in [ANN, EXPIRED, IN_A_QUERY] {
        for headers in
            [format!("Authorization: Bearer {token}\n"), format!("Sec-WebSocket-Protocol: bearer, {token}\n")]
        {
            send_request(address, &handshake("/ws", &format!("{host}{headers}"))).await;
            send_request(address, &handshake("/ws", &format!("{host}{headers}Origin: https://evil.example\n"))).await;
            send_request(address, &handshake("/ws", &format!("{host}{headers}X\u{1}: 1\n"))).await;
        }
        send_request(address, &handshake(&format!("/ws?token={token}"), &host)).await;
        send_request(address, &handshake(&format!("/nowhere?token={token}"), &host)).await;
        send_request(
            address,
            &handshake(&format!("/ws?token={token}"), &format!("{host}Origin: https://evil.example\n")),
        )
        .await;
    }

    // Input from clients and peers, valid and invalid.
    let mut client = send_request(address, &handshake("/ws", &format!("{host}Authorization: Bearer {ANN}\n"))).await;
    assert_eq!(client.status, 101);
    for command in [
        json!({"type": "tell", "times": IN_A_MESSAGE, "what": ""}),
        json!({"type": "tell", "times": NUMBER, "what": ""}),
        json!({"type": "tell", "times": 1, "what": {"a": IN_A_MESSAGE}}),
        json!({"type": "tell", "times": 1, "what": NUMBER}),
        json!({"type": ["tell", IN_A_MESSAGE]}),
        json!(IN_A_MESSAGE),
    ] {
        send(&mut client.socket, &command.to_string()).await;
    }
    send(&mut client.socket, &format!("{{\"type\": \"tell\", {IN_A_MESSAGE}")).await;
    until("all frames are refused", || channels.stats().connections.refused == 7).await;
    here.group_send_raw("secrets", json!({"type": "secret.told", "times": IN_A_MESSAGE})).await.unwrap();
    here.group_send_raw("secrets", json!({"type": "secret.told", "times": NUMBER})).await.unwrap();
    here.group_send_raw("secrets", json!({"type": "secret.asked", "what": IN_A_MESSAGE})).await.unwrap();
    there.group_send(&Secrets, &Told { times: 1, what: IN_A_MESSAGE.into() }).await.unwrap();
    until("all events are dropped", || here.stats().undecodable == 3 && here.stats().unhandled == 1).await;
    send(&mut client.socket, &json!({"type": "tell", "times": 1, "what": IN_A_MESSAGE}).to_string()).await;
    until("the handler has failed", || channels.connections() == 0).await;

    // Redis stops.
    drop(redis);
    until("the lost connection is counted", || here.stats().gaps == 1).await;
    all.add_error(&here.group_send(&Secrets, &Told { times: 1, what: IN_A_MESSAGE.into() }).await.unwrap_err());
    all.add_error(&here.ready(Duration::from_millis(50)).await.unwrap_err());
    server.stop().await;

    let told = log.text() + &all.0.lock().unwrap();
    // Each of these must be in the log, or the test would prove nothing.
    for known in [
        "a handshake comes from an origin that is not allowed",
        "a client's frame is not a command",
        "event dropped",
        "no handler for this event",
        "a message that is not an event was dropped",
        "a handler failed",
        "`connect` failed",
        "Redis subscriptions lost",
        "https://evil.example",
        "Jwt",
        "Scope",
    ] {
        assert!(told.contains(known), "{known}: {told}");
    }
    let secrets =
        [PASSWORD, WRONG_PASSWORD, ENCRYPTION_KEY, OTHER_KEY, SECRET, ANN, EXPIRED, COOKIE, IN_A_QUERY, IN_A_MESSAGE];
    for secret in secrets.map(str::to_owned).into_iter().chain([NUMBER.to_string()]) {
        let telling: Vec<_> = told.lines().filter(|line| line.contains(&secret)).collect();
        assert!(telling.is_empty(), "{secret} is in the output: {telling:#?}");
    }
}
