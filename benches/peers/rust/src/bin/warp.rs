//! The chat as warp's own example (`examples/websockets_chat.rs`) writes it, with rooms: a task and an unbounded queue
//! for each member, `warp::ws()`, and a separate message for each member.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt, TryFutureExt};
use tokio::sync::{RwLock, mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use warp::Filter;
use warp::ws::{Message, WebSocket};

static NEXT_USER_ID: AtomicUsize = AtomicUsize::new(1);

type Users = HashMap<usize, mpsc::UnboundedSender<Message>>;
type Rooms = Arc<RwLock<HashMap<String, Users>>>;

#[tokio::main]
async fn main() {
    let rooms = Rooms::default();
    let rooms = warp::any().map(move || rooms.clone());
    let chat = warp::path!("ws" / "chat" / String).and(warp::ws()).and(rooms).map(
        |room: String, ws: warp::ws::Ws, rooms: Rooms| ws.on_upgrade(move |socket| user_connected(socket, room, rooms)),
    );
    let address = peers::address();
    let server = warp::serve(chat).bind(address).await;
    peers::announce(address);
    server.run().await;
}

async fn user_connected(ws: WebSocket, room: String, rooms: Rooms) {
    let my_id = NEXT_USER_ID.fetch_add(1, Ordering::Relaxed);
    let (mut user_ws_tx, mut user_ws_rx) = ws.split();
    let (tx, rx) = mpsc::unbounded_channel();
    let mut rx = UnboundedReceiverStream::new(rx);
    tokio::task::spawn(async move {
        while let Some(message) = rx.next().await {
            user_ws_tx.send(message).unwrap_or_else(|error| eprintln!("websocket send error: {error}")).await;
        }
    });
    rooms.write().await.entry(room.clone()).or_default().insert(my_id, tx);
    while let Some(result) = user_ws_rx.next().await {
        let Ok(message) = result else { break };
        user_message(&message, &room, &rooms).await;
    }
    let mut rooms = rooms.write().await;
    if let Some(users) = rooms.get_mut(&room) {
        users.remove(&my_id);
        if users.is_empty() {
            rooms.remove(&room);
        }
    }
}

async fn user_message(message: &Message, room: &str, rooms: &Rooms) {
    let Some(text) = message.to_str().ok().and_then(peers::Line::through) else { return };
    if let Some(users) = rooms.read().await.get(room) {
        for tx in users.values() {
            // The member has disconnected; its own task removes it from the room.
            let _ = tx.send(Message::text(text.clone()));
        }
    }
}
