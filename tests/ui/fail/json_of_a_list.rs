//! A list implements serde's traits only if its items do.

use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};

struct Point {
    x: f64,
}

#[derive(Default)]
struct MapConsumer;

#[consumer]
impl MapConsumer {
    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(points): Json<Vec<Point>>) -> Result<()> {
        cx.send_json(&points).await
    }
}

async fn it_draws(mut client: WebsocketCommunicator) -> Result<(), CommunicatorError> {
    client.send_json_to(&Point { x: 1.0 }).await?;
    let _points: Vec<Point> = client.receive_json_from().await?;
    Ok(())
}

fn main() {}
