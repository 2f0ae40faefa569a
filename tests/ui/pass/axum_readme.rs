//! The lines of the README about axum.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    fn connect(_cx: &mut Context<Self>, _room: String, State(_state): State<u8>) -> Result<Self, Reject> {
        Ok(Self)
    }
}

async fn index() -> &'static str {
    "hello"
}

async fn serve(listener: tokio::net::TcpListener, state: u8) -> Result<()> {
    let channels = Channels::builder().build()?;
    let app = Router::new()
        .route("/", get(index))
        .consumer("/ws/chat/{room}", channels.axum::<ChatConsumer>())
        .with_state(state);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

fn main() {
    _ = serve;
}
