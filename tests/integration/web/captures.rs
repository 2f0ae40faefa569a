//! The captures of a path are decoded, in each kind of route.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::web::axum::RouterExt;
use tokio::io::{AsyncBufReadExt, BufReader};
use uuid::Uuid;
use warp::Filter;

use crate::support::app::Server;
use crate::support::client::{handshake, send_request};
use crate::support::until::within;

/// Sends the client its captures.
struct Probe;

#[consumer]
impl Probe {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String, id: Uuid, header: String) -> Result<Self, Reject> {
        cx.send_text(format!("{room} {id} {header} {}", cx.scope().path())).await?;
        Ok(Self)
    }
}

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

#[tokio::test]
async fn captured_text_is_decoded_once() {
    let channels = Channels::builder().build().unwrap();
    let path = warp::path!("probe" / String / Uuid).and(warp::header::<String>("x-text"));
    let routes = channels.route::<Probe>(path).or(channels.sse::<Probe>(path));
    let server = Server::start(&channels, routes.clone()).await;
    for (room, decoded) in [
        ("a-b", "a-b"),
        ("a%2Db", "a-b"),
        ("a%2db", "a-b"),
        ("a%2Fb", "a/b"),
        ("no%20room", "no room"),
        ("caf%C3%A9", "café"),
        ("100%25", "100%"),
        ("%2525", "%25"),
        ("a+b", "a+b"),
        // As in Python, what is not an escape is kept.
        ("100%", "100%"),
        ("%zz", "%zz"),
    ] {
        let path = format!("/probe/{room}/{ID}");
        // A text that does not come from the path is not decoded.
        let wanted = format!("{decoded} {ID} a%2Db {path}");
        let mut client = WebsocketCommunicator::new(routes.clone(), &path).header("x-text", "a%2Db");
        client.connect().await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), wanted);

        let stream = format!("GET {path} HTTP/1.1\nHost: ours\nX-Text: a%2Db\nAccept: text/event-stream\n\n");
        let mut lines = BufReader::new(send_request(server.address, &stream).await.socket).lines();
        let data = within(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("a message");
                if let Some(data) = line.strip_prefix("data: ") {
                    return data.to_owned();
                }
            }
        });
        assert_eq!(data.await, wanted);
    }
    server.stop().await;
}

#[tokio::test]
async fn segment_that_is_not_utf8_is_404() {
    let channels = Channels::builder().build().unwrap();
    let path = warp::path!("probe" / String / Uuid).and(warp::header::<String>("x-text"));
    let server = Server::start(&channels, channels.route::<Probe>(path).or(channels.sse::<Probe>(path))).await;
    for room in ["%FF", "%C3", "a%C3%28b"] {
        let path = format!("/probe/{room}/{ID}");
        let headers = "Host: ours\nX-Text: 1\nAccept: text/event-stream\n";
        assert_eq!(send_request(server.address, &handshake(&path, headers)).await.status, 404, "{room}");
        let stream = format!("GET {path} HTTP/1.1\n{headers}\n");
        assert_eq!(send_request(server.address, &stream).await.status, 404, "{room}");
    }
    server.stop().await;
}

#[tokio::test]
async fn axum_route_decodes_and_answers_as_other_routes() {
    #[derive(Default)]
    struct Room;

    #[consumer]
    impl Room {
        #[connect]
        async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
            cx.send_text(room).await?;
            Ok(Self)
        }
    }

    let channels = Channels::builder().build().unwrap();
    let room = channels.axum_sse::<Room>().and_websocket();
    let router = axum::Router::new().consumer("/probe/{room}", room);
    let server = Server::start(&channels, router.clone()).await;
    let mut client = WebsocketCommunicator::new(router, "/probe/a%2Fb%20%C3%A9");
    client.connect().await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "a/b é");
    let accepted = channels.stats().handshakes.accepted;
    let request = |method, room, accept| format!("{method} /probe/{room} HTTP/1.1\nHost: ours\nAccept: {accept}\n\n");
    for (request, wanted) in [
        (request("GET", "%FF", "text/event-stream"), 404),
        (request("HEAD", "lobby", "TEXT/event-stream"), 200),
        (request("GET", "lobby", "text/event-stream;q=0"), 400),
        (handshake("/probe/lobby", "Host: ours\nHost: ours\n"), 400),
    ] {
        assert_eq!(send_request(server.address, &request).await.status, wanted, "{request}");
    }
    let upgrades = handshake("/probe/lobby", "Host: ours\n").replace("Upgrade: websocket", "Upgrade: h2c, websocket");
    assert_eq!(send_request(server.address, &upgrades).await.status, 101);
    assert_eq!(channels.stats().handshakes.accepted, accepted + 1);
    server.stop().await;
}
