//! The depth limit of JSON from a client.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Draw {
    shape: Value,
}

#[derive(Default)]
struct Drawer;

#[consumer(tag = "do")]
impl Drawer {
    #[receive("draw")]
    async fn draw(&mut self, cx: &mut Context<Self>, draw: Draw) -> Result<()> {
        cx.send_json(&json!({"drawn": draw.shape.is_array()})).await
    }
}

#[tokio::test]
async fn json_nested_too_deeply_is_refused_and_connection_stays_open() {
    let channels = Channels::builder().build().unwrap();
    let mut client = WebsocketCommunicator::new(channels.route::<Drawer>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let nested = |depth: usize| format!(r#"{{"do": "draw", "shape": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let hidden = |depth: usize| format!(r#"{{"shape": {}{}, "do": "draw"}}"#, "[".repeat(depth), "]".repeat(depth));
    for command in [nested(100), hidden(100)] {
        client.send_to(command).await.unwrap();
        assert_eq!(client.receive_json_from::<Value>().await.unwrap(), json!({"drawn": true}));
    }
    for command in [nested(200), hidden(200), nested(500_000), hidden(500_000), "[".repeat(1_000_000)] {
        client.send_to(command).await.unwrap();
        let answer: Value = client.receive_json_from().await.unwrap();
        let code = answer["error"]["code"].as_str().unwrap();
        assert!(code.starts_with("malformed_"), "{answer}");
    }
}
