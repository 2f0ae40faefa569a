//! `ChannelLayer::user(key).close(code)`: closes the connections of a user in every process, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use channels_runtime::auth::{ForwardAuth, Login};
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::SinkExt;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::auth::logins::{User, WhoAmI, connect_with, name, serve, status};
use crate::support::app::{Front, Server, on_both_servers};
use crate::support::backend::{Asked, Backend, Says};
use crate::support::client::{Client, next, send_request};
use crate::support::layers::{Two, core, memory, pubsub};
use crate::support::until::{until, until_within, within};

on_both_servers!(
    user_close_reaches_every_connection_of_user_on_memory_layer,
    user_close_reaches_every_connection_of_user_on_pubsub_layer,
    user_close_reaches_every_connection_of_user_on_core_layer,
    user_close_during_connect_is_not_missed,
    closed_user_is_not_let_in_from_cache,
    client_cannot_close_users,
);

const KICKED: CloseCode = CloseCode::app::<4001>();

/// Takes the user and its key from the cookie `user`.
#[allow(clippy::needless_pass_by_value, reason = "an authenticator takes the scope by value")]
fn by_cookie(scope: Scope) -> std::future::Ready<Result<Login<User>, Reject>> {
    std::future::ready(Ok(match scope.cookie("user") {
        Some(name) => Login::new(User { sub: name.to_owned() }).key(name),
        None => Login::anonymous(),
    }))
}

async fn start(front: Front, layer: &ChannelLayer) -> Server {
    serve(front, Channels::builder().layer(layer.clone()).authenticator(by_cookie)).await
}

async fn connect(server: &Server, cookie: &str) -> Client {
    let headers = [("cookie", cookie)];
    connect_with(server, "", if cookie.is_empty() { &[] } else { &headers }).await.0
}

async fn closed(client: &mut Client) -> (u16, String) {
    let Message::Close(Some(frame)) = next(client).await else { panic!("a close frame") };
    (frame.code.into(), frame.reason.as_str().to_owned())
}

async fn user_close_reaches_every_connection_of_user_on_memory_layer(front: Front) {
    user_close_reaches_every_connection_of_user(front, memory(LayerConfig::default()).await).await;
}

async fn user_close_reaches_every_connection_of_user_on_pubsub_layer(front: Front) {
    user_close_reaches_every_connection_of_user(front, pubsub(LayerConfig::default()).await).await;
}

async fn user_close_reaches_every_connection_of_user_on_core_layer(front: Front) {
    user_close_reaches_every_connection_of_user(front, core(LayerConfig::default()).await).await;
}

async fn user_close_reaches_every_connection_of_user(front: Front, layers: Two) {
    let (here, there) = (start(front, &layers.here).await, start(front, &layers.there).await);
    let mut anns =
        [connect(&here, "user=ann").await, connect(&here, "user=ann").await, connect(&there, "user=ann").await];
    let mut others = [
        (connect(&here, "user=bob").await, "bob"),
        (connect(&there, "user=an").await, "an"),
        (connect(&there, "").await, "nobody"),
    ];
    layers.there.user("ann").close_with(KICKED, "bye").await.unwrap();
    for ann in &mut anns {
        assert_eq!(closed(ann).await, (4001, "bye".to_owned()));
    }
    for (client, known) in &mut others {
        assert_eq!(name(client).await, *known);
    }
    // A user without connections, and a key with any characters.
    layers.here.user("ann").close(KICKED).await.unwrap();
    layers.here.user("no such user: ä").close(KICKED).await.unwrap();
    let user_closed = |server: &Server| server.channels.stats().connections.user_closed;
    assert_eq!((user_closed(&here), user_closed(&there)), (2, 1));
    // The user may log in again.
    let mut again = connect(&here, "user=ann").await;
    assert_eq!(name(&mut again).await, "ann");
    layers.here.user("bob").close(KICKED).await.unwrap();
    assert_eq!(closed(&mut others[0].0).await, (4001, String::new()));
    assert_eq!(name(&mut again).await, "ann");
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn connections_without_key_add_no_channel_and_no_group() {
    let channels = Channels::builder().authenticator(by_cookie).build().unwrap();
    let connect = async |cookie: &str| {
        let route = channels.route::<WhoAmI>(warp::path!("ws"));
        let mut client = WebsocketCommunicator::new(route, "/ws").header("cookie", cookie);
        client.connect().await.unwrap();
        client
    };
    let layer = || channels.inspect().layer;
    let _nobody = connect("a=b").await;
    assert_eq!((layer().channels, layer().groups), (1, 0));
    let _ann = connect("user=ann").await;
    let _bob = connect("user=bob").await;
    // One channel and one group for all users of the process.
    assert_eq!((layer().channels, layer().groups), (4, 1));
}

#[tokio::test]
async fn user_close_ends_event_stream() {
    #[derive(Default)]
    struct Silent;

    #[consumer]
    impl Silent {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.send_text("hello").await?;
            Ok(Self)
        }
    }

    let channels = Channels::builder().authenticator(by_cookie).build().unwrap();
    let server = Server::start(&channels, channels.sse::<Silent>(warp::path!("ws"))).await;
    let request = "GET /ws HTTP/1.1\nHost: ours\nAccept: text/event-stream\nCookie: user=ann\n\n";
    let mut response = send_request(server.address, request).await;
    until("the stream is open", || channels.connections() == 1).await;
    channels.channel_layer().user("ann").close_with(KICKED, "bye").await.unwrap();
    let mut body = String::new();
    until_within(Duration::from_secs(20), "the last message", async || {
        let mut part = [0; 1024];
        let read = response.socket.read(&mut part).await.unwrap();
        body.push_str(&String::from_utf8_lossy(&part[..read]));
        body.contains("event: close")
    })
    .await;
    assert!(body.contains(r#"{"code":4001,"reason":"bye"}"#), "{body}");
    server.stop().await;
}

/// A user whose `#[connect]` waits.
struct Held {
    entered: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

#[derive(Default)]
struct Waits;

#[consumer]
impl Waits {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let user = cx.user::<Held>().ok_or(Reject::unauthorized())?;
        user.entered.add_permits(1);
        user.released.acquire().await?.forget();
        Ok(Self)
    }
}

async fn user_close_during_connect_is_not_missed(front: Front) {
    let (entered, released) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let held = (Arc::clone(&entered), Arc::clone(&released));
    let channels = Channels::builder()
        .authenticator(move |_| {
            let (entered, released) = (Arc::clone(&held.0), Arc::clone(&held.1));
            std::future::ready(Ok(Login::new(Held { entered, released }).key("ann")))
        })
        .build()
        .unwrap();
    let server = Server::start_consumer::<Waits>(front, &channels).await;
    let address = server.address;
    let connecting = tokio::spawn(async move { crate::support::client::connect(address, "/ws").await });
    entered.acquire().await.unwrap().forget();
    channels.channel_layer().user("ann").close(KICKED).await.unwrap();
    released.add_permits(1);
    let mut client = within(connecting).await.unwrap();
    assert_eq!(closed(&mut client).await, (4001, String::new()));
    server.stop().await;
}

async fn closed_user_is_not_let_in_from_cache(front: Front) {
    let layers = pubsub(LayerConfig::default()).await;
    let backend = Backend::start(|_: &Asked| Says::Json(r#"{"id": 7, "sub": "ann"}"#)).await;
    let start = async |layer: &ChannelLayer| {
        let auth = ForwardAuth::<User>::new(backend.url("/whoami/")).unwrap().ttl(Duration::from_secs(3600));
        serve(front, Channels::builder().layer(layer.clone()).forward_auth(auth)).await
    };
    let (here, there) = (start(&layers.here).await, start(&layers.there).await);
    let mut client = connect(&here, "sessionid=ann").await;
    // The other process has the user in its cache, and no connection of the user.
    drop(connect(&there, "sessionid=ann").await);
    until("the connection has ended", || there.channels.connections() == 0).await;
    let mut again = connect(&there, "sessionid=ann").await;
    assert_eq!(name(&mut again).await, "ann");
    drop(again);
    let asked = backend.count();
    assert!(there.channels.stats().forward_auth.cached >= 1);
    // The user logs out: first the session ends, and then the connections.
    backend.now(|_| Says::Status(401, ""));
    layers.here.user("7").close(KICKED).await.unwrap();
    assert_eq!(closed(&mut client).await, (4001, String::new()));
    assert_eq!(status(&here, "Cookie: sessionid=ann\n").await, 401);
    until_within(Duration::from_secs(20), "the other process knows", async || {
        status(&there, "Cookie: sessionid=ann\n").await == 401
    })
    .await;
    assert!(backend.count() > asked);
    here.stop().await;
    there.stop().await;
}

async fn client_cannot_close_users(front: Front) {
    let layer = ChannelLayer::in_memory();
    let server = start(front, &layer).await;
    let (mut ann, mut bob) = (connect(&server, "user=ann").await, connect(&server, "user=bob").await);
    let forged = r#"{"type": "user.close", "user": "ann", "code": 4001, "group": "channels.users"}"#;
    bob.send(Message::text(forged)).await.unwrap();
    assert_eq!(next(&mut bob).await.into_text().unwrap().as_str(), "bob", "it is a text like any other");
    assert_eq!(name(&mut ann).await, "ann");
    // An event that is not valid closes nobody.
    for wrong in
        [json!({"type": "user.close"}), json!({"type": "user.close", "user": "ann", "code": 1}), json!({"type": "x"})]
    {
        layer.group_send_raw("channels.users", wrong).await.unwrap();
    }
    assert_eq!(name(&mut ann).await, "ann");
    assert_eq!(server.channels.stats().connections.user_closed, 0);
    server.stop().await;
}
