//! The chat on socketioxide: the room is in the query, and the event is `message`.

use peers::Line;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, Extension, SocketRef};

#[derive(Clone)]
struct Room(String);

#[tokio::main]
async fn main() {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let app = axum::Router::new().layer(layer);
    let address = peers::address();
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free");
    peers::announce(address);
    axum::serve(listener, app).await.expect("axum serves until it is stopped");
}

async fn connected(socket: SocketRef) {
    let query = socket.req_parts().uri.query().unwrap_or_default().to_owned();
    let room = query.split('&').find_map(|pair| pair.strip_prefix("room=")).unwrap_or("none").to_owned();
    socket.join(room.clone());
    socket.extensions.insert(Room(room));
    socket.on("message", |socket: SocketRef, Data::<Line>(line), Extension::<Room>(Room(room))| async move {
        // A member that disconnected meanwhile is not an error for the others.
        let _ = socket.within(room).emit("message", &line).await;
    });
}
