//! The chat written by hand on axum, with its defaults: a task and an unbounded queue for each member, and one shared
//! text for all members.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;

static NEXT_USER_ID: AtomicUsize = AtomicUsize::new(1);

type Users = HashMap<usize, mpsc::UnboundedSender<Message>>;
type Rooms = Arc<Mutex<HashMap<String, Users>>>;

#[tokio::main]
async fn main() {
    let app = Router::new().route("/ws/chat/{room}/", any(chat)).with_state(Rooms::default());
    let address = peers::address();
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free");
    peers::announce(address);
    axum::serve(listener, app).await.expect("axum serves until it is stopped");
}

async fn chat(upgrade: WebSocketUpgrade, Path(room): Path<String>, State(rooms): State<Rooms>) -> Response {
    upgrade.on_upgrade(move |socket| user_connected(socket, room, rooms))
}

async fn user_connected(socket: WebSocket, room: String, rooms: Rooms) {
    let my_id = NEXT_USER_ID.fetch_add(1, Ordering::Relaxed);
    let (mut sink, mut stream) = socket.split();
    let (tx, mut rx) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = rx.recv().await {
            if sink.send(message).await.is_err() {
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
