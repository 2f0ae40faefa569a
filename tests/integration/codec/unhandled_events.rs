//! Events without a handler, and events that do not fit their type.

use serde_json::json;

use crate::consumer::chat::{App, Line};

#[tokio::test]
async fn unhandled_or_invalid_event_is_counted_and_connection_stays_open() {
    let app = App::new();
    let mut client = app.client("in");
    client.connect().await.unwrap();
    let layer = app.channels.channel_layer();
    for message in [
        json!({"type": "chat.unheard_of"}),
        json!({"type": "websocket.disconnect", "code": 1000}),
        json!({"type": "chat_message", "text": "x"}),
    ] {
        layer.group_send_raw("room_lobby", message).await.unwrap();
    }
    for message in [
        json!({"type": "chat.message"}),
        json!({"type": "chat.message", "text": null}),
        json!({"type": "chat.note", "text": ["x"]}),
        json!({"type": "chat.force_disconnect", "code": 70000}),
    ] {
        layer.group_send_raw("room_lobby", message).await.unwrap();
    }
    layer.group_send_raw("room_lobby", json!({"type": "chat.message", "text": "fits", "more": 1})).await.unwrap();
    assert_eq!(client.receive_json_from::<Line>().await.unwrap(), Line { line: "fits".into() });
    assert_eq!((layer.stats().unhandled, layer.stats().undecodable), (3, 4));
}
