//! A server with an echo consumer and two HTTP routes, and the raw client requests that its tests send.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use channels_runtime::ChannelsBuilder;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warp::Filter;

use crate::support::app::{Front, Server};

#[derive(Default)]
pub(crate) struct Echo;

#[consumer]
impl Echo {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        let client = cx.scope().client().map(|client| client.ip().to_string());
        cx.send_text(format!("{text} {}", client.unwrap_or_default())).await
    }
}

/// Serves the echo consumer at `/ws`, a page at `/page`, and the length of a request body at `/length`.
pub(crate) async fn serve_echo(builder: ChannelsBuilder) -> Server {
    serve_echo_on(Front::Ours, builder).await
}

/// Serves the same on this server.
pub(crate) async fn serve_echo_on(front: Front, builder: ChannelsBuilder) -> Server {
    let channels = builder.build().unwrap();
    let length_of = |body: Bytes| body.len().to_string();
    match front {
        Front::Ours => {
            let page = warp::path!("page").map(|| "a page");
            let length = warp::path!("length").and(warp::body::bytes()).map(length_of);
            let routes = channels.route::<Echo>(warp::path!("ws")).or(page).or(length);
            Server::start(&channels, routes).await
        }
        Front::Axum => {
            let app = Router::new()
                .consumer("/ws", channels.axum::<Echo>())
                .route("/page", get(|| async { "a page" }))
                .route("/length", post(async move |body: Bytes| length_of(body)));
            Server::start_axum(&channels, app).await
        }
    }
}

/// Sends a text of up to 125 bytes and returns the text of the next frame.
pub(crate) async fn say(socket: &mut TcpStream, text: &str) -> String {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    socket.write_all(&frame).await.unwrap();
    let answer = async {
        assert_eq!(socket.read_u8().await.unwrap(), 0x81);
        let mut answer = vec![0; socket.read_u8().await.unwrap().into()];
        socket.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("a response arrives in time")
}
