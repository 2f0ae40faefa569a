//! The tutorial's chat, served by Django on daphne and by this project, in one room of one Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use channels_runtime::prelude::*;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::peer::Daphne;
use crate::rig::{CORE, PUBSUB, Rig, layers};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[event("chat.message")]
struct ChatMessage {
    message: String,
}

#[group("chat_{room}", events(ChatMessage))]
struct Room {
    room: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    message: String,
}

struct ChatConsumer {
    room: Room,
}

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let room = Room { room };
        cx.group_add(&room).await?;
        Ok(Self { room })
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(line): Json<Line>) -> Result<()> {
        cx.group_send(&self.room, &ChatMessage { message: line.message }).await
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line { message: event.message.clone() })
    }
}

/// Both servers, on one Redis.
struct TwoServers {
    channels: Channels,
    rust: String,
    django: Daphne,
    _rig: Rig,
}

impl TwoServers {
    async fn start(backend: &str) -> Self {
        let rig = Rig::start(1);
        let settings = layers(backend, &json!({"hosts": rig.hosts(1)}));
        let django = Daphne::start(&settings);
        let layer = ChannelLayer::from_json(&settings.to_string()).await.unwrap();
        let channels = Channels::builder().layer(layer).build().unwrap();
        let server = channels.bind(([127, 0, 0, 1], 0)).await.unwrap();
        let rust = format!("ws://{}/ws/chat/", server.local_addr());
        tokio::spawn(server.serve(channels.route::<ChatConsumer>(warp::path!("ws" / "chat" / String))));
        Self { channels, rust, django, _rig: rig }
    }

    fn on_rust(&self, room: &str) -> String {
        format!("{}{room}/", self.rust)
    }

    fn on_django(&self, style: &str, room: &str) -> String {
        self.django.url("ws", &format!("/ws/{style}/{room}/"))
    }
}

async fn connect(url: String) -> Socket {
    tokio_tungstenite::connect_async(url).await.expect("the handshake is accepted").0
}

async fn say(socket: &mut Socket, message: &str) {
    let line = json!({"message": message}).to_string();
    socket.send(Message::text(line)).await.expect("the connection is open");
}

/// Returns the next line of the chat, or `None` when the connection is closed.
async fn hear(socket: &mut Socket) -> Option<String> {
    loop {
        let arrived = tokio::time::timeout(Duration::from_secs(30), socket.next()).await;
        match arrived.expect("a line arrives within thirty seconds")? {
            Ok(Message::Text(text)) => {
                let line: Value = serde_json::from_str(&text).expect("the text is a line of the chat");
                return Some(line["message"].as_str().expect("the text is a line of the chat").to_owned());
            }
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

const SOCKETS_EACH: usize = 50;
/// The number of Python sockets with the older synchronous consumer, which costs several times as much.
const SYNCHRONOUS: usize = 2;
/// Half of the sockets send.
const SENDERS: usize = SOCKETS_EACH;

/// Lets a sender send its next line when every socket has received the last one. So at most 50 lines are in flight, below
/// the capacity of 100 at which channels_redis begins to drop messages.
struct Floor {
    heard: Vec<AtomicUsize>,
    heard_by_all: Vec<Notify>,
}

impl Floor {
    fn new() -> Self {
        let heard = (0..SENDERS).map(|_| AtomicUsize::new(0)).collect();
        Self { heard, heard_by_all: (0..SENDERS).map(|_| Notify::new()).collect() }
    }

    fn heard(&self, sender: usize) {
        if self.heard[sender].fetch_add(1, SeqCst) + 1 == 2 * SOCKETS_EACH {
            self.heard[sender].store(0, SeqCst);
            self.heard_by_all[sender].notify_one();
        }
    }
}

/// Reads every line of every sender, and sends its own lines.
async fn take_part(floor: Arc<Floor>, mut socket: Socket, own: Option<usize>, lines_each: usize) {
    let mut next = [0; SENDERS];
    let mut said = 0;
    if let Some(own) = own {
        floor.heard_by_all[own].notify_one();
    }
    while next.iter().sum::<usize>() < SENDERS * lines_each {
        let may_speak = async {
            match own {
                Some(own) if said < lines_each => floor.heard_by_all[own].notified().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            // Both futures may be dropped: a partly read frame stays in the socket, and a notification is kept.
            heard = hear(&mut socket) => {
                let heard = heard.expect("no socket is closed");
                let (sender, number) = heard.split_once(' ').expect("the line has a sender and a number");
                let (sender, number): (usize, usize) = (sender.parse().unwrap(), number.parse().unwrap());
                // Not lost, not duplicated, and in order.
                assert_eq!(number, next[sender], "of sender {sender}");
                next[sender] += 1;
                floor.heard(sender);
            }
            () = may_speak => {
                say(&mut socket, &format!("{} {said}", own.expect("only a sender sends"))).await;
                said += 1;
            }
        }
    }
    assert_eq!(next, [lines_each; SENDERS]);
}

/// Sends 1,000 lines to 100 sockets: each of 50 senders has 20. `CHANNELS_ROOM_LINES=100` sends more; Python takes one or
/// two minutes for 5,000 lines.
async fn shared_room_delivers_every_line_in_order(backend: &str) {
    let lines_each = std::env::var("CHANNELS_ROOM_LINES").map_or(20, |lines| lines.parse().expect("a number of lines"));
    let servers = TwoServers::start(backend).await;
    let mut sockets = Vec::new();
    for number in 0..SOCKETS_EACH {
        sockets.push(connect(servers.on_rust("lobby")).await);
        let style = if number < SYNCHRONOUS { "sync" } else { "chat" };
        sockets.push(connect(servers.on_django(style, "lobby")).await);
    }
    // Read in the background: a client that does not read answers no ping and is closed after thirty seconds.
    let (mut to_elsewhere, mut from_elsewhere) = connect(servers.on_rust("elsewhere")).await.split();
    let elsewhere = tokio::spawn(async move {
        loop {
            match from_elsewhere.next().await {
                Some(Ok(Message::Text(text))) => return text,
                Some(Ok(_)) => {}
                end => panic!("the socket is closed: {end:?}"),
            }
        }
    });

    let begun = Instant::now();
    let floor = Arc::new(Floor::new());
    let mut taking_part = JoinSet::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        // Of two neighbouring sockets, one on each server, either both send or neither does.
        let own = (number / 2 % 2 == 0).then_some(number / 4 * 2 + number % 2);
        taking_part.spawn(take_part(Arc::clone(&floor), socket, own, lines_each));
    }
    while let Some(done) = taking_part.join_next().await {
        done.unwrap();
    }
    println!("{backend}: {} lines to {} sockets in {:?}", SENDERS * lines_each, 2 * SOCKETS_EACH, begun.elapsed());

    let only_this = json!({"message": "only this"});
    to_elsewhere.send(Message::text(only_this.to_string())).await.expect("the connection is open");
    let heard =
        tokio::time::timeout(Duration::from_secs(30), elsewhere).await.expect("a line arrives within thirty seconds");
    assert_eq!(serde_json::from_str::<Value>(&heard.unwrap()).unwrap(), only_this);
    let stats = servers.channels.channel_layer().stats();
    assert_eq!((stats.dropped_full, stats.undecodable), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_room_over_core_delivers_every_line_in_order() {
    shared_room_delivers_every_line_in_order(CORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_room_over_pubsub_delivers_every_line_in_order() {
    shared_room_delivers_every_line_in_order(PUBSUB).await;
}

/// Django Channels behaves this way, so a group that Python shares should carry only events that Python's consumers handle.
async fn unhandled_event_closes_django_sockets_only(backend: &str) {
    let servers = TwoServers::start(backend).await;
    let mut ours = connect(servers.on_rust("lobby")).await;
    let mut theirs = connect(servers.on_django("chat", "lobby")).await;
    let layer = servers.channels.channel_layer();
    layer.group_send_raw("chat_lobby", json!({"type": "chat.unheard_of"})).await.unwrap();
    assert_eq!(hear(&mut theirs).await, None, "daphne closes with 1011");
    servers.django.says("No handler for message type chat.unheard_of").await;
    // The Rust consumer ignores the event, counts it, and stays connected.
    say(&mut ours, "still here").await;
    assert_eq!(hear(&mut ours).await.as_deref(), Some("still here"));
    assert_eq!(layer.stats().unhandled, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unhandled_event_over_core_closes_django_sockets_only() {
    unhandled_event_closes_django_sockets_only(CORE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unhandled_event_over_pubsub_closes_django_sockets_only() {
    unhandled_event_closes_django_sockets_only(PUBSUB).await;
}
