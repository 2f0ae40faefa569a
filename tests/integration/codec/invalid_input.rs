//! Invalid input from clients and peers: it is logged and counted, and the connection stays open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::{Format, LayerConfig};
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::layer::{Context as Layered, Layer, SubscriberExt};

use crate::support::app::Server;
use crate::support::redis::RedisServer;

/// JSON and msgpack are read to a depth of 128.
const DEEP: usize = 10_000;

#[event("chat.message")]
struct ChatMessage {
    text: String,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    more: Value,
}

#[derive(serde::Serialize, Deserialize)]
struct User {
    name: String,
}

#[event("chat.strict")]
#[serde(deny_unknown_fields)]
struct ChatStrict {
    text: String,
}

#[group("room-{name}", events(ChatMessage, ChatStrict))]
struct Room {
    name: &'static str,
}

const ROOM: Room = Room { name: "lobby" };

#[derive(Deserialize)]
struct Say {
    text: String,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    more: Value,
}

struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&ROOM).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    async fn chat_message(&mut self, cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
        let user = event.user.as_ref().map_or("nobody", |user| &user.name);
        cx.send_text(format!("{user}: {} {} {}", event.text, event.count, event.more)).await
    }

    #[handler("chat.strict")]
    fn chat_strict(event: &ChatStrict) -> String {
        event.text.clone()
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.send_text(format!("you: {} {} {}", say.text, say.count, say.more)).await
    }
}

/// Handles unknown events and commands itself.
struct Curious;

#[consumer]
impl Curious {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&ROOM).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> String {
        event.text.clone()
    }

    #[handler("chat.strict")]
    fn chat_strict(event: &ChatStrict) -> String {
        event.text.clone()
    }

    #[handler(_)]
    async fn unknown(&mut self, cx: &mut Context<Self>, event: &Envelope) -> Result<()> {
        cx.send_text(format!("{}? {}", event.event_name(), event.to_value()?)).await
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        cx.send_text(say.text).await
    }

    #[receive(_)]
    async fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) -> Result<()> {
        match error {
            CommandError::Unknown { ref name, commands } => cx.send_text(format!("{name}? {commands:?}")).await,
            // The default response for the other errors.
            CommandError::Malformed { .. } => cx.refuse(&error).await,
            error => cx.send_text(format!("no: {}", error.code())).await,
        }
    }
}

/// A log record, with its fields as text.
#[derive(Debug, Clone)]
struct Record {
    level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Record {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// Collects what the runtime logs on this thread while the guard is alive.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Record>>>);

impl Log {
    fn listen() -> (Self, DefaultGuard) {
        // With only one subscriber, tracing caches the interest of the thread that reaches a call first, and the threads of
        // the other tests have none.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&ANOTHER);
        let log = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
        (log, guard)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap()
    }

    fn warnings(&self) -> Vec<Record> {
        self.lock().iter().filter(|record| record.level == Level::WARN).cloned().collect()
    }

    /// Returns the records whose message starts with this text, and removes all records.
    fn take(&self, message: &str) -> Vec<Record> {
        let taken = std::mem::take(&mut *self.lock());
        taken.into_iter().filter(|record| record.field("message").starts_with(message)).collect()
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Layered<'_, S>) {
        if event.metadata().target().starts_with("channels_runtime") {
            let mut record = Record { level: *event.metadata().level(), fields: BTreeMap::new() };
            event.record(&mut record);
            self.lock().push(record);
        }
    }
}

async fn client<C: channels_runtime::Consumer<Captures = ()>>(channels: &Channels) -> WebsocketCommunicator {
    let mut client = WebsocketCommunicator::new(channels.route::<C>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    client
}

/// Returns an application with its own layer: the default layer is shared.
fn application() -> Channels {
    Channels::builder().layer(ChannelLayer::in_memory()).build().unwrap()
}

fn good(text: &str) -> ChatMessage {
    ChatMessage { text: text.into(), count: 7, user: None, more: Value::Null }
}

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
    let (log, _guard) = Log::listen();
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
                (json(r#""text": NaN"#), None),
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
    let (log, _guard) = Log::listen();
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
        let dropped = if field.is_some() { "event dropped" } else { "a message that is no event" };
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
    let (log, _guard) = Log::listen();
    let channels = application();
    let layer = channels.channel_layer();
    let mut chat = client::<ChatConsumer>(&channels).await;
    for name in ["chat.mesage", "chat.mesage", "chat.massage", "chat.mesage"] {
        layer.group_send_raw("room-lobby", json!({"type": name})).await.unwrap();
    }
    let told: Vec<_> = log.warnings().iter().map(|record| record.field("event").to_owned()).collect();
    assert_eq!(told, ["chat.mesage", "chat.massage"]);
    let [first, ..] = &log.warnings()[..] else { panic!("two were told") };
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
    assert_eq!(last.len(), 1, "that no more will be told is told: {last:?}");
    assert_eq!(layer.stats().unhandled, 3004);
    layer.group_send(&ROOM, &good("fits")).await.unwrap();
    assert_eq!(chat.receive_text_from().await.unwrap(), "nobody: fits 7 null");
}

#[tokio::test]
async fn unhandled_event_reaches_fallback_handler_in_order() {
    let (log, _guard) = Log::listen();
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

/// Returns frames that are not commands, each with the code of the response, and with the command and the field that the log
/// names.
fn bad_frames() -> Vec<(String, &'static str, &'static str, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let say = |rest: &str| format!(r#"{{"type": "say", {rest}}}"#);
    let one = |frame: String, code, command, field| (frame, code, command, field);
    vec![
        one("{".into(), "malformed_json", "", ""),
        one("{1: 2}".into(), "malformed_json", "", ""),
        one("null".into(), "malformed_json", "", ""),
        one("[]".into(), "malformed_json", "", ""),
        one(deep.clone(), "malformed_json", "", ""),
        one("{}".into(), "no_command", "", "type"),
        one(r#"{"type": null}"#.into(), "no_command", "", "type"),
        one(r#"{"type": 1e400}"#.into(), "malformed_json", "", ""),
        one(r#"{"type": "shout"}"#.into(), "unknown_command", "shout", ""),
        one(r#"{"type": "chat.message", "text": "a"}"#.into(), "unknown_command", "chat.message", ""),
        one(say(r#""count": 1"#), "malformed_command", "say", "text"),
        one(say(r#""text": null"#), "malformed_command", "say", "text"),
        one(say(r#""text": 7"#), "malformed_command", "say", "text"),
        one(say(r#""text": "a", "count": 18446744073709551616"#), "malformed_command", "say", "count"),
        one(say(r#""text": "a", "count": 1e400"#), "malformed_command", "say", "count"),
        one(say(r#""text": "a", "count": 123456789012345678901234567890"#), "malformed_command", "say", "count"),
        one(say(&format!(r#""text": {deep}"#)), "malformed_command", "say", "text"),
        one(say(&format!(r#""text": "a", "more": {deep}"#)), "malformed_command", "say", "more[0][0]"),
    ]
}

#[tokio::test]
async fn invalid_command_gets_response_and_next_command_is_handled() {
    let (log, _guard) = Log::listen();
    let channels = application();
    let mut client = client::<ChatConsumer>(&channels).await;
    for (at, (frame, code, command, field)) in bad_frames().into_iter().enumerate() {
        let told = &frame[..frame.len().min(80)];
        log.take("");
        client.send_to(frame.clone()).await.unwrap();
        let answer: Value = client.receive_json_from().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{told}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().chars().count() <= 200);
        assert_eq!(channels.stats().connections.refused, at as u64 + 1);
        let records = log.take("a client's frame is no command");
        let [record] = &records[..] else { panic!("{told}: {records:?}") };
        assert_eq!((record.field("consumer"), record.field("command")), ("ChatConsumer", command), "{told}");
        assert!(record.field("field").starts_with(field), "{told}: {record:?}");
        assert!(record.field("channel").starts_with("specific."), "{record:?}");
        assert!(!record.field("error").is_empty());
        client.send_to(r#"{"type": "say", "text": "good", "count": 7, "extra": {"a": 1}}"#).await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "you: good 7 null");
    }
    // Ignored fields are not read, at any depth.
    let deep = format!("{}1{}", "[".repeat(DEEP), "]".repeat(DEEP));
    client.send_to(format!(r#"{{"type": "say", "text": "good", "extra": {deep}}}"#)).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "you: good 0 null");
    // The response does not repeat the whole frame.
    client.send_to(json!({"type": "x".repeat(100_000)}).to_string()).await.unwrap();
    assert!(client.receive_text_from().await.unwrap().len() < 300);
}

#[tokio::test]
async fn invalid_command_reaches_fallback_receive_method() {
    let channels = application();
    let mut client = client::<Curious>(&channels).await;
    client.send_to(r#"{"type": "shout"}"#).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), r#"shout? ["say"]"#);
    client.send_to(r#"{"type": "say"}"#).await.unwrap();
    let answer: Value = client.receive_json_from().await.unwrap();
    assert_eq!(answer["error"]["code"], "malformed_command");
    client.send_to("{}").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "no: no_command");
    // The connection stays open where the default would close it.
    client.send_binary_to("bytes").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "no: unsupported_frame");
    client.send_to(r#"{"type": "say", "text": "good"}"#).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "good");
    assert_eq!(channels.stats().connections.refused, 4);
}

#[tokio::test]
async fn frame_to_consumer_without_commands_reaches_fallback_receive_method() {
    #[derive(Default)]
    struct Deaf;
    #[consumer]
    impl Deaf {
        #[receive(_)]
        async fn refused(&mut self, cx: &mut Context<Self>, error: CommandError) {
            cx.close_with(CloseCode::POLICY, &error.to_string());
        }
    }
    #[derive(Default)]
    struct Mute;
    #[consumer]
    impl Mute {
        #[disconnect]
        fn disconnect(&mut self, _cx: &mut Context<Self>, _code: CloseCode) {}
    }
    let channels = application();
    let mut deaf = client::<Deaf>(&channels).await;
    deaf.send_to("anybody there?").await.unwrap();
    let (code, reason) = deaf.receive_close().await.unwrap();
    assert_eq!((code, reason.as_str()), (CloseCode::POLICY, "this consumer does not take frames from its client"));
    let mut mute = client::<Mute>(&channels).await;
    mute.send_to("anybody there?").await.unwrap();
    assert!(mute.receive_nothing().await);
    assert_eq!(channels.stats().connections.refused, 2);
}

#[tokio::test]
async fn failed_handler_is_logged_with_consumer_and_event() {
    struct Clumsy;

    #[consumer]
    impl Clumsy {
        #[connect]
        async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
            cx.group_add(&ROOM).await?;
            Ok(Self)
        }

        #[handler("chat.message")]
        async fn chat_message(&mut self, _cx: &mut Context<Self>, event: &ChatMessage) -> Result<()> {
            assert!(event.text != "panic", "a mistake");
            Err(Error::msg("a mistake"))
        }

        #[handler("chat.strict")]
        async fn chat_strict(&mut self, _cx: &mut Context<Self>, _event: &ChatStrict) -> Result<()> {
            Ok(())
        }

        #[receive("say")]
        async fn say(&mut self, _cx: &mut Context<Self>, _say: Say) -> Result<()> {
            Ok(())
        }

        #[receive("shout")]
        async fn shout(&mut self, _cx: &mut Context<Self>, shout: Say) -> Result<()> {
            assert!(shout.text != "panic", "a mistake");
            Err(Error::msg("a mistake"))
        }
    }

    let (log, _guard) = Log::listen();
    let channels = application();
    for how in ["fail", "panic"] {
        for at in ["handler", "receive"] {
            let mut client = client::<Clumsy>(&channels).await;
            client.send_to(r#"{"type": "say", "text": "", "count": 0}"#).await.unwrap();
            log.take("");
            if at == "handler" {
                channels.channel_layer().group_send(&ROOM, &good(how)).await.unwrap();
            } else {
                client.send_json_to(&json!({"type": "shout", "text": how, "count": 0})).await.unwrap();
            }
            let (code, reason) = client.receive_close().await.unwrap();
            assert_eq!((code, reason.as_str()), (CloseCode::INTERNAL_ERROR, ""), "no detail to the client");
            let records = log.take("a handler ");
            let [record] = &records[..] else { panic!("{how}, {at}: {records:?}") };
            assert_eq!((record.level, record.field("consumer"), record.field("at")), (Level::ERROR, "Clumsy", at));
            let wanted = if at == "handler" { ("chat.message", "") } else { ("", "shout") };
            assert_eq!((record.field("event"), record.field("command")), wanted, "{record:?}");
            let problem = if how == "fail" { "error" } else { "panic" };
            assert_eq!(record.field(problem), "a mistake");
        }
    }
}

#[tokio::test]
async fn invalid_command_is_logged_with_client_address() {
    let (log, _guard) = Log::listen();
    let channels = application();
    let route = channels.route::<ChatConsumer>(warp::path!("ws"));
    let server = Server::start(&channels, route).await;
    let address = server.address;
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
    let tokio_tungstenite::MaybeTlsStream::Plain(socket) = client.get_ref() else { panic!("a plain socket") };
    let peer = socket.local_addr().unwrap().to_string();
    client.send(Message::text("{}")).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), client.next()).await.unwrap().unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("no_command"), "{answer}");
    let records = log.take("a client's frame is no command");
    assert_eq!(records[0].field("peer"), peer);
    drop(client);
    server.stop().await;
}
