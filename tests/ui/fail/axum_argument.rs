//! An argument of `connect` that is neither a capture nor an extractor: the value in the state, without `State`.

use axum::Router;
use channels_runtime::prelude::*;
use channels_runtime::web::axum::RouterExt;

#[derive(Clone)]
struct Pool;

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    fn connect(_cx: &mut Context<Self>, _room: String, _pool: Pool) -> Result<Self, Reject> {
        Ok(Self)
    }
}

fn app(channels: &Channels) -> Router {
    Router::new().consumer("/ws/{room}", channels.axum::<ChatConsumer>()).with_state(Pool)
}

fn main() {}
