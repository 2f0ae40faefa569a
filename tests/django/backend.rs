//! A plain WSGI Django, without Channels, is asked who a client is; and a user is closed from Rust and from Python.

use std::net::SocketAddr;

use channels_runtime::auth::{ForwardAuth, Login};
use channels_runtime::backend::{Backend, BackendError};
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peer::PlainSite;
use crate::rig::{CORE, PUBSUB, Rig};

#[derive(Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Default)]
struct Named;

#[consumer]
impl Named {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let user = cx.user::<User>();
        cx.send_json(&user.map(|user| (user.id, user.name.clone()))).await?;
        Ok(Self)
    }
}

/// Requests a page, and returns the head and the body of the response.
async fn get(address: SocketAddr, path: &str, cookie: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response
}

/// Logs a user in, and returns the cookie of the session.
async fn log_in(address: SocketAddr, name: &str) -> String {
    let response = get(address, &format!("/login/{name}/"), "").await;
    let (_, rest) = response.split_once("sessionid=").unwrap_or_else(|| panic!("{response}"));
    format!("sessionid={}", rest.split(';').next().unwrap())
}

fn client(channels: &Channels, cookie: &str) -> WebsocketCommunicator {
    WebsocketCommunicator::new(channels.route::<Named>(warp::path!("ws")), "/ws").header("cookie", cookie)
}

#[tokio::test]
async fn plain_django_is_asked_for_its_sessions() {
    let site = PlainSite::start();
    let auth = ForwardAuth::<User>::new(format!("http://{}/whoami/", site.address)).unwrap().cookies(["sessionid"]);
    let channels = Channels::builder().forward_auth(auth).build().unwrap();
    let (ann, bob) = (log_in(site.address, "ann").await, log_in(site.address, "bob").await);
    for (cookie, wanted) in [
        (ann.as_str(), json!([1, "ann"])),
        (bob.as_str(), json!([2, "bob"])),
        ("sessionid=forged", json!(null)),
        ("csrftoken=x", json!(null)),
    ] {
        let mut client = client(&channels, cookie);
        client.connect().await.unwrap();
        assert_eq!(client.receive_json_from::<serde_json::Value>().await.unwrap(), wanted, "{cookie}");
    }
    // A logout, and then the close of the user's connections.
    let mut open = client(&channels, &ann);
    open.connect().await.unwrap();
    assert_eq!(open.receive_json_from::<serde_json::Value>().await.unwrap(), json!([1, "ann"]));
    get(site.address, "/logout/", &ann).await;
    channels.channel_layer().user("1").close(CloseCode::app::<4001>()).await.unwrap();
    assert_eq!(open.receive_close().await.unwrap().0, 4001);
    let mut again = client(&channels, &ann);
    again.connect().await.unwrap();
    assert_eq!(again.receive_json_from::<serde_json::Value>().await.unwrap(), json!(null), "not from the cache");
}

async fn user_close_travels_between_python_and_rust(backend: &'static str, prefix: &str) {
    let rig = Rig::start(1);
    let pair = rig.open_alike(backend, prefix, &json!({})).await;
    let channels = Channels::builder()
        .layer(pair.here.clone())
        .authenticator(async |_: Scope| Ok(Login::new(User { id: 7, name: "ann".into() }).key("ann@example.org")))
        .build()
        .unwrap();
    let user = pair.here.user("ann@example.org");
    let member = pair.python_member(&user.group_name()).await;
    let receiving = pair.there.begin("receive", json!({"channel": member}));
    pair.reader_listens(&member).await;
    user.close_with(CloseCode::app::<4001>(), "bye").await.unwrap();
    let received = receiving.await.unwrap();
    assert_eq!(received, json!({"type": "user.close", "user": "ann@example.org", "code": 4001, "reason": "bye"}));
    // From Python to Rust.
    let mut client = client(&channels, "");
    client.connect().await.unwrap();
    assert_eq!(client.receive_json_from::<serde_json::Value>().await.unwrap(), json!([7, "ann"]));
    let message = json!({"type": "user.close", "user": "ann@example.org", "code": 4002});
    pair.there.call("group_send", json!({"group": "channels.users", "message": message})).await;
    assert_eq!(client.receive_close().await.unwrap().0, 4002);
}

#[tokio::test]
async fn user_close_travels_between_python_and_rust_on_core() {
    user_close_travels_between_python_and_rust(CORE, "users-core").await;
}

#[tokio::test]
async fn user_close_travels_between_python_and_rust_on_pubsub() {
    user_close_travels_between_python_and_rust(PUBSUB, "users-pubsub").await;
}

#[derive(Deserialize)]
struct Saved {
    saved: String,
    key: String,
}

#[tokio::test]
async fn plain_django_verifies_signature_of_call() {
    let site = PlainSite::start();
    let url = format!("http://{}", site.address);
    let signed = Backend::new(&url).unwrap().secret("a secret of backend and channels");
    let saved: Saved = signed.post("/chat/save?room=lobby", &json!({"text": "blü"})).await.unwrap().json().unwrap();
    assert_eq!((saved.saved.as_str(), saved.key.len()), ("blü", 36));
    let forged = Backend::new(&url).unwrap().secret("another secret of the two");
    let error = forged.post("/chat/save", &json!({"text": "x"})).await.unwrap_err();
    assert!(matches!(error, BackendError::Refused { status: 403, .. }), "{error}");
}
