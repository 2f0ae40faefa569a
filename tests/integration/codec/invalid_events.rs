//! Invalid events from peers: they are logged and counted, and the next event arrives.

use std::collections::BTreeSet;

use channels_runtime::error::LayerError;
use channels_runtime::layer::{Format, LayerConfig};
use channels_runtime::prelude::*;
use serde_json::{Value, json};
use tracing::Level;

use crate::codec::invalid_input::{ChatConsumer, Curious, DEEP, ROOM, application, client, good};
use crate::support::records::Records;
use crate::support::redis::RedisServer;

/// Returns invalid events, each with the field that the log names.
fn misfits() -> Vec<(Value, &'static str, &'static str)> {
    let huge: Value = serde_json::from_str("18446744073709551616").unwrap();
    vec![
        (json!({"type": "chat.message"}), "text", "missing field `text`"),
        (json!({"type": "chat.message", "text": null}), "text", "unit value"),
        (json!({"type": "chat.message", "text": 7}), "text", "integer, expected"),
        (json!({"type": "chat.message", "text": ["a"]}), "text", "sequence"),
        (json!({"type": "chat.message", "text": "a", "count": -1}), "count", "integer, expected"),
        (json!({"type": "chat.message", "text": "a", "count": huge}), "count", "floating point, expected"),
        (json!({"type": "chat.message", "text": "a", "count": 1e300}), "count", "floating point, expected"),
        (json!({"type": "chat.message", "text": "a", "count": "7"}), "count", "FixStr"),
        (json!({"type": "chat.message", "text": "a", "user": {}}), "user.name", "missing field `name`"),
        (json!({"type": "chat.message", "text": "a", "user": {"name": true}}), "user.name", "boolean, expected"),
        (json!({"type": "chat.message", "text": "a", "user": 1}), "user", "integer, expected"),
        (json!({"type": "chat.strict", "text": "a", "extra": 1}), "extra", "unknown field `extra`"),
    ]
}

#[tokio::test]
async fn invalid_event_is_logged_with_its_field_and_next_event_arrives() {
    let (log, _guard) = Records::listen();
    let channels = application();
    let layer = channels.channel_layer();
    let mut client = client::<ChatConsumer>(&channels).await;
    let mut told = BTreeSet::new();
    for (at, (message, field, words)) in misfits().into_iter().enumerate() {
        let event = message["type"].as_str().unwrap().to_owned();
        log.take("");
        for _ in 0..2 {
            layer.group_send_raw("room-lobby", message.clone()).await.unwrap();
        }
        assert_eq!(layer.stats().undecodable, 2 * (at as u64 + 1), "{message}");
        let records = log.take("event dropped");
        let [first, second] = &records[..] else { panic!("{message}: {records:?}") };
        // A warning once per field; further problems with the field are logged at a lower level.
        let is_new = told.insert((event.clone(), field));
        assert_eq!((first.level == Level::WARN, second.level == Level::WARN), (is_new, false), "{message}");
        for record in [first, second] {
            assert_eq!(record.field("event"), event);
            assert_eq!(record.field("field"), field, "{message}: {record:?}");
            assert_eq!(record.field("consumer"), "ChatConsumer");
            assert_eq!(record.field("to"), "room-lobby");
            assert_eq!(record.field("peer"), "this process");
            assert!(record.field("error").contains(&format!("event `{event}`")), "{record:?}");
            assert!(record.field("error").contains(words), "{record:?}");
        }
        layer.group_send(&ROOM, &good("fits")).await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "nobody: fits 7 null");
    }
    // Additional fields are ignored.
    layer.group_send_raw("room-lobby", json!({"type": "chat.message", "text": "a", "extra": [1]})).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "nobody: a 0 null");
}

#[tokio::test]
async fn raw_message_nested_too_deeply_is_not_sent() {
    let channels = application();
    let layer = channels.channel_layer();
    let mut client = client::<ChatConsumer>(&channels).await;
    let nested = |levels: usize| {
        let mut message = json!({"type": "chat.message", "text": "deep"});
        message["more"] = (0..levels).fold(json!(1), |inner, _| Value::Array(vec![inner]));
        message
    };
    let error = layer.group_send_raw("room-lobby", nested(DEEP)).await.unwrap_err();
    assert!(matches!(error, LayerError::Encode { ref event, .. } if event == "chat.message"), "{error}");
    layer.group_send_raw("room-lobby", nested(100)).await.unwrap();
    let arrived = client.receive_text_from().await.unwrap();
    assert_eq!(arrived, format!("nobody: deep 0 {}1{}", "[".repeat(100), "]".repeat(100)));
}

/// Returns messages that Python could have written, byte for byte, each with the field that the log names. There is no field
/// if the map itself cannot be read.
fn bytes_of(format: Format) -> Vec<(Vec<u8>, Option<&'static str>)> {
    let packed = |head: &[u8], rest: &[u8]| {
        let mut message = b"\x83\xa4type\xacchat.message\xa4text".to_vec();
        message.extend_from_slice(head);
        message.extend_from_slice(rest);
        message
    };
    match format {
        Format::Msgpack => vec![
            // An integer as a key; a list; an unused byte; a truncated message.
            (b"\x81\x01\x02".to_vec(), None),
            (b"\x92\xa4type\xa1a".to_vec(), None),
            (b"\xc1".to_vec(), None),
            (packed(b"\xa1a", b"\xa5count"), None),
            // Two names.
            (packed(b"\xa1a", b"\xa4type\xaachat.other"), None),
            // Nested too deeply to be read.
            (packed(b"\xa1a\xa4more", &[vec![0x91; DEEP], vec![1]].concat()), None),
            // The text is nil, invalid UTF-8, a 64-bit integer, infinity; the count is negative.
            (packed(b"\xc0", b"\xa5count\x01"), Some("text")),
            (packed(b"\xc4\x02\xff\xfe", b"\xa5count\x01"), Some("text")),
            (packed(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xa5count\x01"), Some("text")),
            (packed(b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xa5count\x01"), Some("text")),
            (packed(b"\xa1a", b"\xa5count\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), Some("count")),
            // {1: 2} within the message.
            (packed(b"\xa1a", b"\xa4user\x81\x01\x02"), Some("user")),
        ],
        _ => {
            let json = |rest: &str| format!(r#"{{"type": "chat.message", {rest}}}"#).into_bytes();
            let deep = format!("{}1{}", "[".repeat(DEEP), "]".repeat(DEEP));
            vec![
                (b"{1: 2}".to_vec(), None),
                (b"[\"type\", \"chat.message\"]".to_vec(), None),
                (b"\xff\xfe".to_vec(), None),
                // A literal of Python, which is a float.
                (json(r#""text": NaN"#), Some("text")),
                (json(r#""text": "a", "type": "chat.other""#), None),
                (json(r#""text": "a", "count": 1e400"#), Some("count")),
                (json(r#""text": "a", "count": 18446744073709551616"#), Some("count")),
                (json(r#""text": "a", "count": 123456789012345678901234567890"#), Some("count")),
                (json(r#""text": null"#), Some("text")),
                (json(r#""count": 1"#), Some("text")),
                (json(&format!(r#""text": {deep}"#)), Some("text")),
                // The logged path ends at the depth limit.
                (json(&format!(r#""text": "a", "more": {deep}"#)), Some("more[0][0]")),
            ]
        }
    }
}

async fn wrong_bytes(format: Format) {
    let (log, _guard) = Records::listen();
    let server = RedisServer::start();
    let config = LayerConfig::default().serializer_format(format);
    let layer = ChannelLayer::redis_pubsub_with(&[server.url()], config).await.unwrap();
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let mut client = client::<ChatConsumer>(&channels).await;
    let mut aloud = BTreeSet::new();
    for (at, (message, field)) in bytes_of(format).into_iter().enumerate() {
        log.take("");
        server.publish("asgi__group__room-lobby", &message);
        layer.group_send(&ROOM, &good("fits")).await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "nobody: fits 7 null");
        let told = String::from_utf8_lossy(&message[..message.len().min(60)]).into_owned();
        assert_eq!(layer.stats().undecodable, at as u64 + 1, "{told}");
        let dropped = if field.is_some() { "event dropped" } else { "a message that is not an event" };
        let records = log.take(dropped);
        let [record] = &records[..] else { panic!("{told}: {records:?}") };
        // A warning once per Redis channel, or per field.
        let is_new = aloud.insert(field);
        assert_eq!(record.level == Level::WARN, is_new, "{told}: {record:?}");
        assert!(record.field("field").starts_with(field.unwrap_or_default()), "{told}: {record:?}");
        assert!(record.field("peer").starts_with("Redis at 127.0.0.1:"), "{record:?}");
        assert!(record.field("error").chars().count() <= 200, "{record:?}");
        match field {
            Some(_) => assert_eq!((record.field("event"), record.field("to")), ("chat.message", "room-lobby")),
            None => assert_eq!(record.field("to"), "asgi__group__room-lobby"),
        }
    }
    client.disconnect(CloseCode::NORMAL).await.unwrap();
    layer.close().await;
}

#[tokio::test]
async fn invalid_msgpack_from_peer_is_logged_and_next_message_arrives() {
    wrong_bytes(Format::Msgpack).await;
}

#[tokio::test]
async fn invalid_json_from_peer_is_logged_and_next_message_arrives() {
    wrong_bytes(Format::Json).await;
}

#[tokio::test]
async fn unhandled_event_is_logged_once_per_name_up_to_a_limit() {
    let (log, _guard) = Records::listen();
    let channels = application();
    let layer = channels.channel_layer();
    let mut chat = client::<ChatConsumer>(&channels).await;
    for name in ["chat.mesage", "chat.mesage", "chat.massage", "chat.mesage"] {
        layer.group_send_raw("room-lobby", json!({"type": name})).await.unwrap();
    }
    let told: Vec<_> = log.warnings().iter().map(|record| record.field("event").to_owned()).collect();
    assert_eq!(told, ["chat.mesage", "chat.massage"]);
    let [first, ..] = &log.warnings()[..] else { panic!("two events were logged") };
    assert_eq!((first.field("consumer"), first.field("to")), ("ChatConsumer", "room-lobby"));
    assert_eq!(first.field("peer"), "this process");
    assert_eq!(layer.stats().unhandled, 4);
    // A peer that invents names fills neither the log nor the memory.
    for number in 0..3000 {
        let name = format!("{number}.{}", "x".repeat(1000));
        layer.group_send_raw("room-lobby", json!({"type": name})).await.unwrap();
    }
    let warnings = log.warnings();
    assert!(warnings.iter().all(|record| record.field("event").chars().count() <= 200));
    let (told, last): (Vec<_>, Vec<_>) = warnings.iter().partition(|record| !record.field("event").is_empty());
    assert_eq!(told.len(), 1024);
    assert_eq!(last.len(), 1, "the end of logging is logged: {last:?}");
    assert_eq!(layer.stats().unhandled, 3004);
    layer.group_send(&ROOM, &good("fits")).await.unwrap();
    assert_eq!(chat.receive_text_from().await.unwrap(), "nobody: fits 7 null");
}

#[tokio::test]
async fn unhandled_event_reaches_fallback_handler_in_order() {
    let (log, _guard) = Records::listen();
    let channels = application();
    let layer = channels.channel_layer();
    let mut client = client::<Curious>(&channels).await;
    layer.group_send_raw("room-lobby", json!({"type": "chat.other", "a": [1, null]})).await.unwrap();
    layer.group_send(&ROOM, &good("between")).await.unwrap();
    layer.group_send_raw("room-lobby", json!({"type": "websocket.disconnect"})).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), r#"chat.other? {"a":[1,null],"type":"chat.other"}"#);
    assert_eq!(client.receive_text_from().await.unwrap(), "between");
    assert_eq!(client.receive_text_from().await.unwrap(), r#"websocket.disconnect? {"type":"websocket.disconnect"}"#);
    let stats = layer.stats();
    assert_eq!((stats.unhandled, stats.undecodable, stats.delivered), (0, 0, 3));
    assert_eq!(log.warnings().len(), 0);
    // An invalid event of a known name is the sender's error and does not reach the fallback.
    layer.group_send_raw("room-lobby", json!({"type": "chat.message"})).await.unwrap();
    assert!(client.receive_nothing().await);
    assert_eq!((layer.stats().unhandled, layer.stats().undecodable), (0, 1));
    assert_eq!(log.warnings().len(), 1);
}
