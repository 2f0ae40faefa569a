//! `WebsocketCommunicator::request`: the answer to a command, between other frames.

use channels_runtime::Consumer;
use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Number {
    n: u32,
}

#[derive(Default)]
struct Asked;

#[consumer(ref = "id", ok = "result")]
impl Asked {
    /// Sends frames that look like answers, before the answer and after it.
    #[receive("double")]
    async fn double(&mut self, cx: &mut Context<Self>, command: Number) -> Result<Result<u32, String>> {
        cx.send_json(&json!({"id": 100, "result": 1})).await?;
        cx.send_json(&json!({"id": "1", "n": command.n})).await?;
        cx.send_binary("binary").await?;
        Ok(command.n.checked_mul(2).ok_or_else(|| "too large".into()))
    }

    #[receive("silent")]
    async fn silent(&mut self, cx: &mut Context<Self>, _: Number) -> Result<()> {
        cx.send_text("done").await
    }

    #[receive("close")]
    fn close(&mut self, cx: &mut Context<Self>, _: Number) {
        cx.close(CloseCode::NORMAL);
    }
}

async fn client() -> WebsocketCommunicator {
    let channels = Channels::builder().layer(ChannelLayer::in_memory()).build().unwrap();
    let route = channels.route::<Asked>(warp::path!("ws"));
    let mut client = WebsocketCommunicator::new(route, "/ws").answer_fields(Asked::INFO.answer);
    client.connect().await.unwrap();
    client
}

#[tokio::test(start_paused = true)]
async fn request_returns_answer_and_keeps_other_frames_in_order() -> Result<(), CommunicatorError> {
    let mut client = client().await;
    let reply: Result<u32, String> = client.request(&json!({"type": "double", "n": 4})).await?;
    assert_eq!(reply, Ok(8));
    let refusal: Result<u32, String> = client.request(&json!({"type": "double", "n": u32::MAX})).await?;
    assert_eq!(refusal, Err("too large".into()));
    assert!(!client.receive_nothing().await);
    for n in [4, u32::MAX] {
        assert_eq!(client.receive_json_from::<Value>().await?, json!({"id": 100, "result": 1}));
        assert_eq!(client.receive_json_from::<Value>().await?, json!({"id": "1", "n": n}));
        assert_eq!(client.receive_from().await?, Frame::binary("binary"));
    }
    assert!(client.receive_nothing().await);
    let malformed: Result<u32, Value> = client.request(&json!({"type": "double"})).await?;
    assert_eq!(malformed.unwrap_err()["code"], "malformed_command");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn request_without_answer_is_error() -> Result<(), CommunicatorError> {
    let mut client = client().await;
    let silent = client.request::<u32, Value>(&json!({"type": "silent", "n": 4})).await.unwrap_err();
    let said = silent.to_string();
    assert!(matches!(silent, CommunicatorError::Unanswered { .. }), "{said}");
    assert!(said.contains("no answer arrived within 1s; a command answers if"), "{said}");
    assert!(said.contains("\n  received done"), "{said}");
    assert_eq!(client.receive_text_from().await?, "done", "the frame is kept");
    let other = client.request::<String, Value>(&json!({"type": "double", "n": 4})).await.unwrap_err();
    assert!(matches!(other, CommunicatorError::Json { .. }), "{other}");
    let closed = client.request::<u32, Value>(&json!({"type": "close", "n": 4})).await.unwrap_err();
    assert!(matches!(closed, CommunicatorError::Closed { code: 1000, .. }), "{closed}");
    Ok(())
}
