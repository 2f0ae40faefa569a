//! Text of clients in the log: at the level `debug`, and cut to a length.

use std::time::{Duration, Instant};

use channels_runtime::layer::GroupName;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;
use warp::Filter;

use crate::support::app::Server;
use crate::support::client::{handshake, send_request};
use crate::support::log::Log;
use crate::support::records::Records;
use crate::support::until::until;

/// The largest record of this crate, in bytes: some texts of at most 200 characters, and an error of at most 1,000.
const MAX_RECORD: usize = 3000;

#[event("talk.said")]
struct Said {
    text: String,
}

#[group("talk-{room}", events(Said))]
struct Room {
    room: String,
}

#[derive(Deserialize)]
struct Join {
    room: String,
}

/// Joins a room from the path, and further rooms from commands.
struct TalkConsumer;

#[consumer]
impl TalkConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        cx.group_add(&Room { room }).await?;
        Ok(Self)
    }

    #[receive("join")]
    async fn join(&mut self, cx: &mut Context<Self>, join: Join) -> Result<()> {
        cx.group_add(&Room { room: join.room }).await
    }

    #[receive("fail")]
    fn fail(&mut self, _cx: &mut Context<Self>, join: Join) -> Result<()> {
        Err(Error::msg(join.room))
    }

    #[receive("panic")]
    fn panic(&mut self, _cx: &mut Context<Self>, join: Join) {
        panic!("{}", join.room);
    }

    #[receive("spawn")]
    fn spawn(&mut self, cx: &mut Context<Self>, join: Join) -> Result<()> {
        cx.spawn(async move { Err(Error::msg(join.room)) }).map(drop)
    }

    #[handler("talk.said")]
    async fn said(&mut self, _cx: &mut Context<Self>, event: &Said) -> Result<()> {
        // A name that does not come from this connection's client is a mistake in the program.
        Ok(GroupName::new(&event.text).map(drop)?)
    }
}

#[tokio::test]
async fn invalid_name_from_path_is_404_at_debug_and_counted() {
    let (log, _guard) = Records::listen();
    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<TalkConsumer>(warp::path!("ws" / String));
    for path in ["/ws/no!room".to_owned(), format!("/ws/{}", "x".repeat(100))] {
        let mut client = WebsocketCommunicator::new(route.clone(), &path);
        let error = client.connect().await.unwrap_err().to_string();
        assert!(error.ends_with("refused with status 404: a name in this request is not valid"), "{error}");
        assert!(log.lock().iter().all(|record| record.level > Level::ERROR), "{:?}", log.lock());
        let records = log.take("handshake rejected");
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(record.level, Level::DEBUG);
        assert_eq!((record.field("path"), record.field("status")), (&*path, "404"));
        assert!(record.field("reason").contains("group name \"talk-"), "{record:?}");
    }
    assert_eq!(channels.stats().handshakes.rejected, 2);
}

#[tokio::test]
async fn invalid_name_from_frame_closes_with_1008_at_debug_and_is_counted() {
    let (log, _guard) = Records::listen();
    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<TalkConsumer>(warp::path!("ws" / String));
    let mut client = WebsocketCommunicator::new(route, "/ws/lobby");
    client.connect().await.unwrap();
    client.send_json_to(&json!({"type": "join", "room": "no room"})).await.unwrap();
    let closed = client.receive_close().await.unwrap();
    assert_eq!(closed, (CloseCode::POLICY, "a name in this message is not valid".to_owned()));
    assert!(log.lock().iter().all(|record| record.level > Level::ERROR), "{:?}", log.lock());
    let records = log.take("a client's frame contains a name");
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.level, record.field("command")), (Level::DEBUG, "join"));
    assert!(record.field("error").contains("\"talk-no room\" contains ' '"), "{record:?}");
    assert_eq!(channels.stats().connections.wrong_name, 1);

    // In an event, the name is one of the program's.
    client.connect().await.unwrap();
    let lobby = Room { room: "lobby".into() };
    channels.channel_layer().group_send(&lobby, &Said { text: "no room".into() }).await.unwrap();
    assert_eq!(client.receive_close().await.unwrap().0, CloseCode::INTERNAL_ERROR);
    let records = log.take("a handler failed");
    assert!(matches!(&records[..], [record] if record.level == Level::ERROR), "{records:?}");
    assert_eq!(channels.stats().connections.wrong_name, 1);
}

/// Sends a text frame of at most 65,535 bytes, with a mask of zeros.
async fn send(socket: &mut TcpStream, text: &str) {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    socket.write_all(&[&[0x81, 0x80 | 126][..], &length, &[0; 4], text.as_bytes()].concat()).await.unwrap();
}

// A single-threaded runtime, so that everything is logged in this thread.
#[tokio::test]
async fn text_of_client_is_cut_in_every_record() {
    let log = Log::default();
    let kept = log.clone();
    // With a single subscriber, tracing may cache that a record is disabled, because it is disabled in the threads of other tests.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter("channels_runtime=trace")
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || kept.clone());
    let _listening = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber.finish());

    let channels = Channels::builder().build().unwrap();
    let route = channels.route::<TalkConsumer>(warp::path!("ws" / String).or(warp::path!("ws" / String / ..)).unify());
    let server = Server::start(&channels, route).await;
    let host = format!("Host: {}\nUser-Agent: {}\n", server.address, "a".repeat(9_000));
    let long = "x".repeat(30_000);
    for (path, headers) in [
        (format!("/ws/{long}"), host.clone()),
        (format!("/ws/lobby/{long}"), host.clone()),
        ("/ws/lobby".into(), format!("{host}Origin: https://{long}\n")),
        (format!("/ws/lobby/{long}"), format!("{host}Origin: https://{}\n", &long[..20_000])),
        ("/ws/lobby".into(), format!("Host: {long}\nOrigin: https://evil.example\n")),
    ] {
        send_request(server.address, &handshake(&path, &headers)).await;
    }
    for command in [
        json!({"type": long}),
        json!({"type": "join", long.as_str(): 1}),
        json!({"type": "join", "room": {long.as_str(): 1}}),
        json!({"type": "join", "room": long}),
        json!({"type": "fail", "room": long}),
        json!({"type": "panic", "room": long}),
        json!({"type": "spawn", "room": long}),
    ] {
        let mut client = send_request(server.address, &handshake("/ws/lobby", &host)).await;
        assert_eq!(client.status, 101);
        let lines = log.text().lines().count();
        send(&mut client.socket, &command.to_string()).await;
        until("the frame has left a record", || {
            log.text().lines().skip(lines).any(|line| line.contains("ERROR") || line.contains("error="))
        })
        .await;
    }
    let client = send_request(server.address, &handshake("/ws/lobby", &host)).await;
    let layer = channels.channel_layer();
    for message in [
        json!({"type": long}),
        json!({"type": "talk.said"}),
        json!({"type": "talk.said", "text": {long.as_str(): 1}}),
        json!({"type": "talk.said", "text": long}),
    ] {
        layer.group_send_raw("talk-lobby", message).await.unwrap();
    }
    until("the handler has failed", || log.text().contains("at=\"handler\"")).await;
    drop(client);
    server.stop().await;

    let text = log.text();
    for known in
        ["handshake rejected", "an origin that is", "is not a command", "a handler failed", "a handler panicked"]
    {
        assert!(text.contains(known), "{known} is not in the log, so this proves nothing");
    }
    let longest = text.lines().max_by_key(|line| line.len()).unwrap();
    assert!(longest.len() < MAX_RECORD, "{} bytes: {}", longest.len(), &longest[..MAX_RECORD]);
}

// A single-threaded runtime, so that everything is logged in this thread.
#[tokio::test]
async fn flood_of_foreign_origins_writes_ten_records_a_second() {
    let (log, _listening) = Log::of_this_thread(Level::TRACE);
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.route::<TalkConsumer>(warp::path!("ws" / String))).await;
    let began = Instant::now();
    let request = handshake("/ws/lobby", &format!("Host: {}\nOrigin: https://evil.example\n", server.address));
    for _ in 0..100 {
        assert_eq!(send_request(server.address, &request).await.status, 403);
    }
    let elapsed = began.elapsed();
    assert_eq!(channels.stats().handshakes.wrong_origin, 100);
    let records = log.text().matches("an origin that is not allowed").count();
    // Ten, and then one more every tenth of a second.
    let most = 11 + elapsed.as_millis() / 100;
    assert!(records >= 10 && records as u128 <= most, "{records} records in {elapsed:?}");
    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
}
