//! Draining a server: connections close gradually, each with a time to reconnect after.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use channels_runtime::web::ServeError;
use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use warp::Filter;

use crate::support::app::{Front, Server, on_both_servers, user};
use crate::support::client::{connect, next_or_end, send_request, until_closed};
use crate::support::records::Records;
use crate::support::until::until;

on_both_servers!(drain_closes_gradually_with_reconnect_delays, shutdown_deadline_abandons_stuck_handler,);

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the time after which the client of a closed connection should reconnect.
pub(crate) fn told_to_wait(message: &Message) -> Option<Duration> {
    let Message::Close(Some(frame)) = message else { return None };
    assert_eq!(u16::from(frame.code), 1012);
    let wait = frame.reason.strip_prefix("reconnect in ")?.strip_suffix(" ms")?;
    Some(Duration::from_millis(wait.parse().ok()?))
}

/// The number of guests that have gone.
type Gone = Arc<AtomicUsize>;

#[derive(Default)]
pub(crate) struct Guest;

#[consumer]
impl Guest {
    #[disconnect]
    fn disconnect(&mut self, cx: &mut Context<Self>, code: CloseCode) {
        assert_eq!(code, 1012);
        if let Some(gone) = cx.user::<Gone>() {
            gone.fetch_add(1, SeqCst);
        }
    }
}

async fn drain_closes_gradually_with_reconnect_delays(front: Front) {
    const CLIENTS: usize = 400;
    let gone = Gone::default();
    let channels = Channels::builder().authenticator(user(Arc::clone(&gone))).build().unwrap();
    let server = Server::start_consumer::<Guest>(front, &channels).await;
    let address = server.address;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = connect(address, "/ws").await;
        clients.spawn(async move {
            let told = told_to_wait(&next_or_end(&mut client).await.expect("a close frame"))
                .expect("the close frame has a delay");
            let at = Instant::now();
            while next_or_end(&mut client).await.is_some() {}
            (told, at)
        });
    }
    until("all clients are connected", || channels.connections() == CLIENTS).await;
    let begun = Instant::now();
    assert!(channels.shutdown(Duration::from_secs(20)).await, "every connection ends");
    // 400 connections at 1,000 per second, in steps of 50 ms.
    assert!(begun.elapsed() >= Duration::from_millis(350), "the connections close gradually: {:?}", begun.elapsed());
    assert_eq!(gone.load(SeqCst), CLIENTS, "`disconnect` ran");
    let (waits, mut closed): (Vec<_>, Vec<_>) = clients.join_all().await.into_iter().unzip();
    // Fifty connections in each step and none earlier, even on a busy machine.
    closed.sort();
    for (number, at) in closed.iter().enumerate() {
        let wave = Duration::from_millis(50) * u32::try_from(number / 50).unwrap();
        assert!(*at - begun >= wave, "client {number} was closed after {:?}, before its step at {wave:?}", *at - begun);
    }
    assert!(waits.iter().all(|wait| *wait < Duration::from_secs(1)), "{waits:?}");
    let tenths: HashSet<_> = waits.iter().map(|wait| wait.as_millis() / 100).collect();
    assert_eq!(tenths.len(), 10, "the delays are spread over a second");
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
}

#[derive(Default)]
pub(crate) struct Visitor;

#[consumer]
impl Visitor {
    #[disconnect]
    fn disconnect(&mut self, _cx: &mut Context<Self>, code: CloseCode) {
        assert_eq!(code, CloseCode::SERVICE_RESTART);
    }
}

/// Returns, for each of these clients, when it was closed and how long it should wait.
pub(crate) async fn closed_and_told(
    clients: usize,
    builder: ChannelsBuilder,
    deadline: Duration,
) -> Vec<(Duration, Duration)> {
    let channels = builder.build().unwrap();
    let route = channels.route::<Visitor>(warp::path!("ws")).boxed();
    let mut inside = Vec::new();
    for _ in 0..clients {
        let mut client = WebsocketCommunicator::new(route.clone(), "/ws").patience(PATIENCE);
        client.connect().await.unwrap();
        inside.push(client);
    }
    assert_eq!(channels.connections(), clients);
    let begun = tokio::time::Instant::now();
    let mut closed = JoinSet::new();
    for mut client in inside {
        closed.spawn(async move {
            let (code, reason) = client.receive_close().await.unwrap();
            assert_eq!(code, CloseCode::SERVICE_RESTART);
            let wait = reason.strip_prefix("reconnect in ").and_then(|rest| rest.strip_suffix(" ms")).unwrap();
            (begun.elapsed(), Duration::from_millis(wait.parse().unwrap()))
        });
    }
    assert!(channels.shutdown(deadline).await, "every connection ends");
    closed.join_all().await
}

#[tokio::test(start_paused = true)]
async fn drain_fits_its_window() {
    let window = |milliseconds| Channels::builder().drain_window(Duration::from_millis(milliseconds));
    let long = Duration::from_secs(20);
    for (clients, builder, deadline, waves, spread) in [
        // At most 1,000 per second, if the window is longer than that takes.
        (300, Channels::builder(), long, 6, 1000),
        (400, window(200), long, 4, 1000),
        (400, window(0), long, 1, 1000),
        // At most half of the deadline.
        (400, Channels::builder(), Duration::from_millis(200), 2, 1000),
        (1500, window(1200), long, 24, 1200),
    ] {
        let seen = closed_and_told(clients, builder, deadline).await;
        let mut by_wave = vec![0; waves];
        for (closed, told) in seen {
            // A timer may be a millisecond late.
            let wave = usize::try_from(closed.as_millis() / 50).unwrap();
            assert!(wave < waves, "{clients} clients in {waves} steps: one was closed after {closed:?}");
            by_wave[wave] += 1;
            assert!(told < Duration::from_millis(spread), "the delay is {told:?}, of at most {spread} ms");
        }
        let share = clients.div_ceil(waves);
        assert!(by_wave.iter().all(|wave| *wave <= share) && by_wave[0] == share, "{by_wave:?}");
    }
}

#[derive(Default)]
pub(crate) struct Stuck;

#[consumer]
impl Stuck {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, _text: String) -> Result<()> {
        cx.send_text("here for ever").await?;
        std::future::pending().await
    }
}

async fn shutdown_deadline_abandons_stuck_handler(front: Front) {
    let channels = Channels::builder().build().unwrap();
    let server = Server::start_consumer::<Stuck>(front, &channels).await;
    let address = server.address;
    let mut client = connect(address, "/ws").await;
    client.send(Message::text("stay")).await.unwrap();
    assert_eq!(next_or_end(&mut client).await, Some(Message::text("here for ever")));
    let begun = Instant::now();
    assert!(!channels.shutdown(Duration::from_secs(1)).await, "`shutdown` reports that a connection is left");
    assert!((Duration::from_secs(1)..PATIENCE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(
        told_to_wait(&next_or_end(&mut client).await.expect("a close frame")).is_some(),
        "the client receives a close frame anyway"
    );
    let outcome = server.outcome().await;
    match front {
        Front::Ours => assert!(matches!(outcome, Err(ServeError::CutOff { connections: 1, .. }))),
        Front::Axum => outcome.expect("axum does not know about the connections"),
    }
}

#[derive(Default)]
struct Slow;

#[consumer]
impl Slow {
    #[disconnect]
    async fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {
        std::future::pending().await
    }
}

/// If a shutdown ends before every `#[disconnect]` has ended, the log and its result contain the number of the others.
#[tokio::test]
async fn shutdown_counts_disconnects_that_it_cuts_off() {
    let (log, _guard) = Records::listen();
    let channels = Channels::builder().shutdown_deadline(Duration::from_millis(500)).build().unwrap();
    let routes = channels.route::<Slow>(warp::path!("slow")).or(channels.route::<Stuck>(warp::path!("ws")));
    let server = Server::start(&channels, routes).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connect(server.address, "/slow").await);
        clients.push(connect(server.address, "/ws").await);
    }
    until("all clients are connected", || channels.connections() == 40).await;
    let reading =
        clients.into_iter().map(|mut client| async move { while next_or_end(&mut client).await.is_some() {} });
    let reading = tokio::spawn(futures_util::future::join_all(reading));
    assert!(!channels.shutdown(Duration::from_millis(300)).await);
    let left = server.outcome().await.unwrap_err();
    assert!(matches!(left, ServeError::CutOff { connections: 20, requests: 0, .. }), "{left:?}");
    assert!(left.to_string().starts_with("the server stopped before 20 connections"), "{left}");
    let records = log.take("the shutdown leaves connections that have not ended");
    let told: Vec<_> = records.iter().map(|record| (record.field("cause"), record.field("connections"))).collect();
    assert_eq!(told, [("the deadline", "20"); 2], "one for each of the two deadlines");
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_does_not_wait_for_incomplete_requests() {
    let long = Duration::from_secs(3600);
    let channels = Channels::builder().header_deadline(long).shutdown_deadline(long).build().unwrap();
    let server = Server::start_consumer::<Guest>(Front::Ours, &channels).await;
    let address = server.address;
    // One client sends nothing, one sends part of a request, and one has had a response and sends part of its next request.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /ws HTTP/1.1\r\nHost: ").await.unwrap();
    let nothing = "GET /nothing HTTP/1.1\nHost: ours\n\n";
    let mut answered = send_request(address, nothing).await.socket;
    answered.write_all(b"GET /ws HTTP/1.1\r\nHost: ").await.unwrap();
    // The bytes that were sent before have most likely been read by now.
    send_request(address, nothing).await;
    assert!(channels.shutdown(PATIENCE).await);
    server.ended().await;
    for socket in [silent, slow, answered] {
        until_closed(socket).await;
    }
}
