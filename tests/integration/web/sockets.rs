//! WebSockets over TCP: slow clients, floods, large messages, resets and shutdown.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as ClientError, Message};
use warp::Filter;

use crate::support::app::{Front, Server, on_both_servers};
use crate::support::client::{Client, next};

on_both_servers!(
    slow_client_is_closed_without_delaying_others,
    handler_waits_for_paused_client,
    largest_message_does_not_count_as_slow_client,
    flood_reaches_every_member_in_order,
    large_messages_arrive_in_both_directions,
    reset_ends_connection_with_1006,
    server_shutdown_closes_clients_with_1012,
);

#[event("line")]
struct Line {
    text: String,
}

#[group("everyone", events(Line))]
struct Everyone;

/// Sends the client more than all buffers on the way hold, in one handler.
#[derive(Default)]
struct Talker;

#[consumer]
impl Talker {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, much: String) -> Result<()> {
        for _ in 0..100 {
            cx.send_text(much.clone()).await?;
        }
        cx.send_text("done").await?;
        std::future::pending().await
    }
}

/// The code with which each client's port has ended.
static CODES: Mutex<Vec<(u16, u16)>> = Mutex::new(Vec::new());

/// Sends each text to all members, and each binary frame back.
struct Repeater;

#[consumer]
impl Repeater {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        // An earlier client of this process may have had the same port.
        CODES.lock().unwrap().retain(|(port, _)| *port != port_of(cx.scope()));
        cx.group_add(&Everyone).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, frame: Frame) -> Result<()> {
        match frame {
            Frame::Text(text) => cx.group_send(&Everyone, &Line { text }).await,
            Frame::Binary(bytes) => cx.send_binary(bytes).await,
        }
    }

    #[handler("line")]
    fn line(event: &Line) -> String {
        event.text.clone()
    }

    #[disconnect]
    fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) {
        CODES.lock().unwrap().push((port_of(cx.scope()), code.as_u16()));
    }
}

async fn serve(front: Front, builder: ChannelsBuilder) -> Server {
    let channels = builder.build().unwrap();
    match front {
        Front::Ours => {
            let route = channels.route::<Repeater>(warp::path!("ws"));
            let route = route.or(channels.route::<Talker>(warp::path!("talker")));
            Server::start(&channels, route).await
        }
        Front::Axum => {
            let app = Router::new()
                .consumer("/ws", channels.axum::<Repeater>())
                .consumer("/talker", channels.axum::<Talker>());
            Server::start_axum(&channels, app).await
        }
    }
}

async fn stop(server: Server) {
    let channels = server.channels.clone();
    server.stop().await;
    assert_eq!(channels.channel_layer().channels_here(), 0);
}

async fn connect(address: SocketAddr) -> Client {
    connect_to(address, "ws").await
}

async fn connect_to(address: SocketAddr, path: &str) -> Client {
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let url = format!("ws://{address}/{path}");
    tokio_tungstenite::connect_async_with_config(url, Some(config), false).await.unwrap().0
}

fn port(client: &Client) -> u16 {
    match client.get_ref() {
        MaybeTlsStream::Plain(socket) => socket.local_addr().unwrap().port(),
        _ => unreachable!("no TLS here"),
    }
}

fn port_of(scope: &Scope) -> u16 {
    scope.client().map_or(0, |client| client.port())
}

async fn code_of(port: u16) -> u16 {
    let ended = async {
        loop {
            if let Some((_, code)) = CODES.lock().unwrap().iter().find(|(known, _)| *known == port) {
                return *code;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the connection ends")
}

async fn slow_client_is_closed_without_delaying_others(front: Front) {
    let server = serve(front, Channels::builder().outbound_limit(64 * 1024)).await;
    let (mut sender, mut member) = (connect(server.address).await, connect(server.address).await);
    let sleeper = connect(server.address).await;
    let text = |number: usize| format!("{number:08}{}", "x".repeat(8 * 1024));
    // Enough to fill the kernel's buffers on both sides of the sleeping client's socket, and then its outbound queue.
    const MESSAGES: usize = 3000;
    for number in 0..MESSAGES {
        sender.send(Message::text(text(number))).await.unwrap();
        assert_eq!(next(&mut sender).await.into_text().unwrap().as_str(), text(number));
        assert_eq!(next(&mut member).await.into_text().unwrap().as_str(), text(number));
    }
    assert_eq!(code_of(port(&sleeper)).await, 1013);
    assert_eq!(server.channels.stats().connections.too_slow, 1);
    assert_eq!(server.channels.channel_layer().members_here(&Everyone).unwrap(), 2);
    drop(sleeper);
    drop((sender, member));
    stop(server).await;
}

async fn handler_waits_for_paused_client(front: Front) {
    let server = serve(front, Channels::builder()).await;
    let mut client = connect_to(server.address, "talker").await;
    let much = "x".repeat(400_000);
    client.send(Message::text(much.clone())).await.unwrap();
    // 40 MB exceed all buffers, so the handler waits until the client reads.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..100 {
        assert!(next(&mut client).await.into_text().unwrap().as_str() == much);
    }
    assert_eq!(next(&mut client).await.into_text().unwrap().as_str(), "done");
    drop(client);
    // The handler never returns, and nothing waits for it.
    server.task.abort();
}

async fn largest_message_does_not_count_as_slow_client(front: Front) {
    let server = serve(front, Channels::builder()).await;
    let (mut sender, mut member) = (connect(server.address).await, connect(server.address).await);
    let largest = "x".repeat(1024 * 1024);
    for _ in 0..3 {
        sender.send(Message::text(largest.clone())).await.unwrap();
        for client in [&mut sender, &mut member] {
            assert!(next(client).await.into_text().unwrap().as_str() == largest);
        }
    }
    assert_eq!(server.channels.stats().connections.too_slow, 0);
    drop((sender, member));
    stop(server).await;
}

async fn flood_reaches_every_member_in_order(front: Front) {
    let server = serve(front, Channels::builder()).await;
    let mut members = Vec::new();
    for _ in 0..20 {
        members.push(connect(server.address).await);
    }
    const MESSAGES: usize = 2000;
    let reading = members.drain(1..).map(|mut member| {
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                assert_eq!(next(&mut member).await.into_text().unwrap().as_str(), number.to_string());
            }
            member
        })
    });
    let reading: Vec<_> = reading.collect();
    let (mut tx, mut rx) = members.remove(0).split();
    let flood = tokio::spawn(async move {
        for number in 0..MESSAGES {
            tx.feed(Message::text(number.to_string())).await.unwrap();
        }
        tx.flush().await.unwrap();
        tx
    });
    for number in 0..MESSAGES {
        let heard = rx.next().await.unwrap().unwrap();
        assert_eq!(heard.into_text().unwrap().as_str(), number.to_string());
    }
    drop((rx, flood.await.unwrap()));
    for member in reading {
        member.await.unwrap();
    }
    stop(server).await;
}

async fn large_messages_arrive_in_both_directions(front: Front) {
    let server = serve(front, Channels::builder().max_message_size(16 << 20).outbound_limit(1 << 20)).await;
    let mut client = connect(server.address).await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 16 << 20] {
        let bytes: Vec<u8> = (0..size).map(|at: usize| u8::try_from(at % 251).unwrap()).collect();
        client.send(Message::binary(bytes.clone())).await.unwrap();
        assert!(next(&mut client).await.into_data() == bytes, "{size} bytes come back unchanged");
    }
    let ping = Message::Ping("still there?".into());
    client.send(ping).await.unwrap();
    assert_eq!(next(&mut client).await, Message::Pong("still there?".into()));
    client.close(None).await.unwrap();
    assert!(matches!(next(&mut client).await, Message::Close(_)));
    assert_eq!(code_of(port(&client)).await, 1005);
    stop(server).await;
}

async fn reset_ends_connection_with_1006(front: Front) {
    let server = serve(front, Channels::builder()).await;
    let client = connect(server.address).await;
    let port = port(&client);
    let MaybeTlsStream::Plain(socket) = client.get_ref() else { unreachable!("no TLS here") };
    socket.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(code_of(port).await, 1006);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warp_server_serves_the_route() {
    let channels = Channels::builder().build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let route = channels.route::<Repeater>(warp::path!("ws"));
    let task = tokio::spawn(warp::serve(route).incoming(listener).run());
    let mut client = connect(address).await;
    client.send(Message::text("over warp::serve")).await.unwrap();
    assert_eq!(next(&mut client).await.into_text().unwrap().as_str(), "over warp::serve");
    drop(client);
    task.abort();
}

async fn server_shutdown_closes_clients_with_1012(front: Front) {
    let server = serve(front, Channels::builder()).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(connect(server.address).await);
    }
    let closing = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let Message::Close(Some(frame)) = next(&mut client).await else { panic!("a close frame") };
            assert_eq!(u16::from(frame.code), 1012);
            // The answer to the close frame goes out, and then the connection ends.
            assert!(matches!(client.next().await, None | Some(Err(ClientError::ConnectionClosed))));
        })
    });
    let closing: Vec<_> = closing.collect();
    stop(server).await;
    for client in closing {
        client.await.unwrap();
    }
}
