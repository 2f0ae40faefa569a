//! Calls of consumers to a backend, and webhooks.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use channels_runtime::ChannelsBuilder;
use channels_runtime::backend::{Backend, BackendError};
use channels_runtime::prelude::*;
use channels_runtime::stats::BackendStats;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::auth::logins::{ANN, SECRET, User, connect_with, serve};
use crate::support::app::{Front, on_both_servers};
use crate::support::backend::{Asked, Backend as Site, Says};
use crate::support::until::{until, within};

on_both_servers!(webhooks_arrive_in_order_and_are_repeated_until_taken, shutdown_leaves_webhooks_at_its_deadline,);

const KEY: &[u8] = b"a secret of backend and channels";

#[derive(Deserialize)]
struct Saved {
    id: u64,
}

fn backend(site: &Site) -> Backend {
    Backend::new(site.url("/api")).unwrap().secret(KEY).deadline(Duration::from_millis(300))
}

/// Calls the backend with each text of its client.
#[derive(Default)]
struct Saves;

#[consumer]
impl Saves {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        let saved = match cx.backend() {
            Ok(backend) => backend.post("/chat/save", &json!({"text": text})).await,
            Err(error) => Err(error),
        };
        let reply = match saved.and_then(|response| response.json::<Saved>()) {
            Ok(saved) => saved.id.to_string(),
            Err(error) => error.to_string(),
        };
        cx.send_text(reply).await
    }
}

async fn reply(builder: ChannelsBuilder) -> (String, BackendStats) {
    let channels = builder.build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Saves>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    client.send_to("hello").await.unwrap();
    let reply = within(client.receive_text_from()).await.unwrap();
    (reply, channels.stats().backend)
}

#[tokio::test]
async fn consumer_posts_signed_command_and_decodes_reply() {
    let site = Site::start(|_: &Asked| Says::Status(201, r#"{"id": 7}"#)).await;
    let (reply, stats) = reply(Channels::builder().backend(backend(&site))).await;
    assert_eq!((reply.as_str(), stats.answered, stats.repeated), ("7", 1, 0));
    let asked = site.asked();
    let [request] = &asked[..] else { panic!("{asked:?}") };
    assert!(request.head.starts_with("POST /api/chat/save HTTP/1.1\r\n"), "{request:?}");
    assert_eq!((request.body.as_str(), request.header("content-type")), (r#"{"text":"hello"}"#, "application/json"));
    let signature = request.header("channels-signature");
    assert!(signature.starts_with("v1=") && signature.len() == 67, "{signature}");
    assert_eq!(request.header("idempotency-key").len(), 36);
    assert!(!format!("{request:?}").contains("secret"));
}

#[tokio::test]
async fn failed_attempt_is_repeated_with_same_key() {
    let calls = AtomicUsize::new(0);
    let site = Site::start(move |_: &Asked| match calls.fetch_add(1, SeqCst) {
        0 => Says::Status(503, ""),
        1 => Says::Hangs,
        _ => Says::Json(r#"{"id": 7}"#),
    })
    .await;
    let (reply, stats) = reply(Channels::builder().backend(backend(&site))).await;
    assert_eq!((reply.as_str(), stats.answered, stats.repeated, stats.failed), ("7", 1, 2, 0));
    let asked = site.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| request.header("idempotency-key") == asked[0].header("idempotency-key")));
}

#[tokio::test]
async fn error_of_call_says_what_was_wrong() {
    let long = |status| {
        let page = "x".repeat(100_000);
        Says::Raw(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{page}", page.len()))
    };
    for (says, wanted, calls) in [
        (Says::Status(422, "a secret"), "the backend refused the call with 422", 1),
        (
            Says::Raw("HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".into()),
            "the backend refused the call with 302",
            1,
        ),
        (Says::Status(500, "a secret"), "the backend did not take the call in 2 attempts", 2),
        (Says::Hangs, "the backend did not take the call in 2 attempts", 2),
        // A page that is too long does not repeat a call that the backend has executed or refused.
        (long(200), "the backend took the call with 200, but its reply is larger than 64 KiB", 1),
        (long(400), "the backend refused the call with 400", 1),
        (long(500), "the backend did not take the call in 2 attempts", 2),
        (Says::Json(r#"{"id": "a secret"}"#), "the reply of the backend does not fit `", 1),
        (Says::Json("a secret"), "the reply of the backend does not fit `", 1),
    ] {
        let saying = says.clone();
        let site = Site::start(move |_: &Asked| saying.clone()).await;
        let (reply, _) = reply(Channels::builder().backend(backend(&site).attempts(2))).await;
        assert!(reply.starts_with(wanted) && !reply.contains("secret"), "{says:?}: {reply}");
        assert_eq!(site.count(), calls, "{says:?}");
    }
    let (reply, _) = reply(Channels::builder()).await;
    assert!(reply.starts_with("the application has no backend; write `Channels::builder().backend("), "{reply}");
}

#[tokio::test]
async fn full_queue_is_error_and_is_counted() {
    let site = Site::start(|_: &Asked| Says::Hangs).await;
    let backend = Backend::new(site.url("")).unwrap().calls(1).queue(1);
    let (mut running, mut waiting) = (Box::pin(backend.post("/x", &1)), Box::pin(backend.post("/x", &1)));
    // The first call has the place, and the second one waits for it.
    assert!((&mut running).now_or_never().is_none() && (&mut waiting).now_or_never().is_none());
    let refused = within(backend.post("/x", &1)).await;
    assert!(matches!(refused, Err(BackendError::QueueFull { waiting: 1 })), "{refused:?}");
    assert_eq!(backend.stats().queue_full, 1);
    // A call that is dropped leaves its place.
    drop((running, waiting));
    site.now(|_| Says::Status(204, ""));
    assert_eq!(within(backend.post("/x", &1)).await.unwrap().status(), 204);
}

#[event("line.written")]
struct Written {
    text: String,
}

/// Calls the backend with each job.
#[derive(Default)]
struct Writes;

#[consumer]
impl Writes {
    #[handler("line.written")]
    async fn written(&mut self, cx: &mut Context<Self>, event: &Written) -> Result<()> {
        cx.backend()?.post("/chat/save", &json!({"text": event.text})).await?;
        Ok(())
    }
}

#[tokio::test]
async fn worker_calls_backend() {
    let site = Site::start(|_: &Asked| Says::Status(204, "")).await;
    let channels = Channels::builder().backend(backend(&site)).build().unwrap();
    let running = tokio::spawn(channels.worker::<Writes>("lines").run());
    until("the worker runs", || channels.channel_layer().channels_here() == 2).await;
    let lines = ChannelName::<Writes>::of_worker("lines").unwrap();
    channels.channel_layer().send(&lines, &Written { text: "hello".into() }).await.unwrap();
    until("the job is done", || channels.stats().jobs.done == 1).await;
    assert_eq!(site.asked()[0].body, r#"{"text":"hello"}"#);
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    running.await.unwrap().unwrap();
}

#[test]
fn short_secret_is_refused() {
    let built = |secret: &str| {
        let backend = Backend::new("http://127.0.0.1:8000").unwrap().secret(secret);
        Channels::builder().backend(backend).build().map(drop)
    };
    for (secret, wanted) in [("", "`backend`: the secret is empty"), ("hunter2", "`backend`: the secret has 7 bytes")] {
        let error = built(secret).unwrap_err().to_string();
        assert!(error.contains(wanted) && !error.contains("hunter2"), "{error}");
    }
    assert!(built("a secret of at least thirty-two bytes").is_ok());
}

fn events(asked: &[Asked]) -> Vec<Value> {
    asked.iter().flat_map(|request| serde_json::from_str::<Vec<Value>>(&request.body).unwrap()).collect()
}

async fn webhooks_arrive_in_order_and_are_repeated_until_taken(front: Front) {
    let calls = AtomicUsize::new(0);
    let site = Site::start(move |_: &Asked| match calls.fetch_add(1, SeqCst) {
        0 => Says::Closes,
        1 => Says::Status(500, ""),
        _ => Says::Status(204, ""),
    })
    .await;
    let jwt = channels_runtime::auth::Jwt::hs256(SECRET).unwrap();
    let builder =
        Channels::builder().authenticator(jwt.authenticator::<User>()).backend(backend(&site).webhooks("/hooks/"));
    let server = serve(front, builder).await;
    let (mut client, _) = connect_with(&server, "", &[("authorization", &format!("Bearer {ANN}"))]).await;
    until("the first event is taken", || server.channels.stats().backend.webhooks_delivered == 1).await;
    let asked = site.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| request.body == asked[0].body
        && request.header("idempotency-key") == asked[0].header("idempotency-key")
        && request.head.starts_with("POST /api/hooks/ ")));
    client.close(Some(CloseFrame { code: 4005.into(), reason: "".into() })).await.unwrap();
    until("both events are taken", || server.channels.stats().backend.webhooks_delivered == 2).await;
    let events = events(&site.asked()[2..]);
    let [connect, disconnect] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&connect["type"], &disconnect["type"]), (&json!("connect"), &json!("disconnect")));
    for field in ["channel", "consumer", "path", "user"] {
        assert_eq!(connect[field], disconnect[field], "{field}");
    }
    assert_eq!(
        (&connect["user"], &connect["path"], &connect["consumer"]),
        (&json!("ann"), &json!("/ws"), &json!("WhoAmI"))
    );
    assert_ne!(connect["id"], disconnect["id"]);
    assert_eq!((connect.get("code"), &disconnect["code"]), (None, &json!(4005)));
    // A shutdown delivers the last events.
    let (_client, _) = connect_with(&server, "", &[]).await;
    server.stop().await;
    let events = self::events(&site.asked()[2..]);
    let codes: Vec<_> =
        events.iter().filter(|event| event["type"] == "disconnect").map(|event| &event["code"]).collect();
    assert_eq!(codes, [&json!(4005), &json!(1012)], "{events:?}");
}

async fn shutdown_leaves_webhooks_at_its_deadline(front: Front) {
    let site = Site::start(|_: &Asked| Says::Status(503, "")).await;
    let server = serve(front, Channels::builder().backend(backend(&site).webhooks("/hooks/"))).await;
    let (client, _) = connect_with(&server, "", &[]).await;
    until("the backend is asked", || site.count() > 0).await;
    drop(client);
    until("the connection has ended", || server.channels.connections() == 0).await;
    assert!(server.channels.shutdown(Duration::from_millis(200)).await, "no connection is left");
    assert_eq!(server.channels.stats().backend.webhooks_delivered, 0);
    server.ended().await;
}
