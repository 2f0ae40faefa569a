//! The chat on warp, tuned by an expert with a custom upgrade: a read buffer of 4 KiB instead of 128, `TCP_NODELAY`, one
//! shared text for all members, and all pending frames written in one flush.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use warp::Filter;
use warp::http::{Response, StatusCode};

static NEXT_USER_ID: AtomicUsize = AtomicUsize::new(1);

type Users = HashMap<usize, mpsc::UnboundedSender<Message>>;
type Rooms = Arc<Mutex<HashMap<String, Users>>>;

#[tokio::main]
async fn main() {
    let rooms = Rooms::default();
    let rooms = warp::any().map(move || Arc::clone(&rooms));
    let chat = warp::path!("ws" / "chat" / String)
        .and(warp::header("sec-websocket-key"))
        .and(warp::ext::get::<OnUpgrade>())
        .and(rooms)
        .map(|room: String, key: String, upgrade: OnUpgrade, rooms: Rooms| {
            tokio::spawn(user_connected(upgrade, room, rooms));
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", derive_accept_key(key.as_bytes()))
                .body("")
                .expect("all parts are legal")
        });
    let address = peers::address();
    let server = warp::serve(chat).bind(address).await;
    peers::announce(address);
    server.run().await;
}

async fn user_connected(upgrade: OnUpgrade, room: String, rooms: Rooms) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgrade::downcast::<TokioIo<TcpStream>>(upgraded) else { return };
    let stream = parts.io.into_inner();
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let read = parts.read_buf.to_vec();
    let socket = WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();

    let my_id = NEXT_USER_ID.fetch_add(1, Ordering::Relaxed);
    let (tx, mut rx) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = rx.recv().await {
            let mut next = Some(message);
            while let Some(message) = next {
                if sink.feed(message).await.is_err() {
                    return;
                }
                next = rx.try_recv().ok();
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    });
    lock(&rooms).entry(room.clone()).or_default().insert(my_id, tx);
    while let Some(Ok(message)) = stream.next().await {
        let Some(text) = message.to_text().ok().and_then(peers::Line::through) else { continue };
        let message = Message::text(text);
        if let Some(users) = lock(&rooms).get(&room) {
            for tx in users.values() {
                // The member has disconnected; its own task removes it from the room.
                let _ = tx.send(message.clone());
            }
        }
    }
    let mut rooms = lock(&rooms);
    if let Some(users) = rooms.get_mut(&room) {
        users.remove(&my_id);
        if users.is_empty() {
            rooms.remove(&room);
        }
    }
}

fn lock(rooms: &Rooms) -> std::sync::MutexGuard<'_, HashMap<String, Users>> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}
