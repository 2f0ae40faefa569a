//! Histories of groups that Python writes, with the listing of the documentation.

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde_json::{Value, json};

use crate::records::Records;
use crate::rig::{PUBSUB, Rig};

const GUIDE: &str = include_str!("../../docs/django.md");

#[event("chat.message")]
struct ChatMessage {
    number: u32,
}

#[event("chat.typing", volatile)]
struct ChatTyping {
    number: u32,
}

#[group("chat_{room}", events(ChatMessage, ChatTyping), history(size = 3, ttl = "10m"))]
struct Room {
    room: String,
}

/// Sends its client what it receives.
struct Chat;

#[consumer]
impl Chat {
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: String) -> Result<Self, Reject> {
        let joined = cx.group_add_since(&Room { room }, &cx.resume()).await?;
        cx.send_json(&json!({"number": "hello", "at": joined.at})).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage, at: &Position) -> Json<Value> {
        Json(json!({"number": event.number, "at": at}))
    }

    #[handler("chat.typing")]
    fn chat_typing(event: &ChatTyping) -> Json<Value> {
        Json(json!({"number": event.number, "at": null}))
    }

    #[history_lost]
    async fn history_lost(&mut self, cx: &mut Context<Self>, lost: &HistoryLost) -> Result<()> {
        cx.send_json(&json!({"number": lost.cause.as_str(), "at": lost.at})).await
    }
}

async fn client(channels: &Channels, since: &str) -> WebsocketCommunicator {
    let route = channels.route::<Chat>(warp::path!("chat" / String));
    let mut client = WebsocketCommunicator::new(route, format!("/chat/one?since={since}"));
    client.connect().await.unwrap();
    client
}

/// Receives frames with these values. Returns the position in the last one, which may be none.
async fn receives(client: &mut WebsocketCommunicator, expected: &[Value]) -> String {
    let mut at = String::new();
    for expected in expected {
        let frame: Value = client.receive_json_from().await.unwrap();
        assert_eq!(frame["number"], *expected);
        at = frame["at"].as_str().unwrap_or_default().to_owned();
    }
    at
}

fn message(number: u32) -> Value {
    json!({"type": "chat.message", "number": number})
}

/// Returns the first code block of the guide that begins with this line.
fn listing(first: &str) -> &'static str {
    let start = GUIDE.find(first).expect("the guide has the listing");
    GUIDE[start..].split("```").next().unwrap()
}

#[test]
fn listing_has_the_script_of_the_crate() {
    let source = include_str!("../../channels-runtime/src/layer/redis/pubsub/record.rs");
    let script = source.lines().map(|line| line.trim_end_matches("\",")).filter(|line| line.contains("redis.call"));
    let script: Vec<_> = script.collect();
    assert_eq!(script.len(), 7);
    assert!(listing("# myproject/layers.py").contains(&script.join("\n")), "{script:?}");
}

#[tokio::test]
async fn rust_recovers_what_python_has_recorded() {
    for keys in [json!([]), json!(["a key that nobody has"])] {
        let rig = Rig::start(2);
        let mut config = json!({"hosts": rig.hosts(2), "symmetric_encryption_keys": keys});
        let rust = json!({"default": {"BACKEND": PUBSUB, "CONFIG": config}});
        let layer = ChannelLayer::from_json(&rust.to_string()).await.unwrap();
        let channels = Channels::builder().layer(layer.clone()).build().unwrap();
        let source = listing("# myproject/layers.py");
        rig.peer.call("define", &json!({"module": "layers", "source": source})).await;
        config["history"] = json!({"chat_*": {"size": 3, "ttl": 600, "volatile": ["chat.typing"]}});
        let python = rig.open_python("layers.RecordingChannelLayer", &config).await;
        let member = python.new_channel().await;
        python.call("group_add", json!({"group": "chat_one", "channel": member})).await;

        let mut here = client(&channels, "").await;
        let start = receives(&mut here, &[json!("hello")]).await;
        let room = Room { room: "one".into() };
        python.group_send("chat_one", &message(1)).await;
        layer.group_send(&room, &ChatMessage { number: 2 }).await.unwrap();
        python.group_send("chat_one", &json!({"type": "chat.typing", "number": 7})).await;
        python.group_send("chat_one", &message(3)).await;
        receives(&mut here, &[json!(1), json!(2), json!(7), json!(3)]).await;
        let mut back = client(&channels, &start).await;
        let at = receives(&mut back, &[json!("hello"), json!(1), json!(2), json!(3)]).await;
        // The history has the size of the setting.
        python.group_send("chat_one", &message(4)).await;
        let another = ChannelLayer::from_json(&rust.to_string()).await.unwrap();
        let another = Channels::builder().layer(another).build().unwrap();
        receives(&mut client(&another, &start).await, &[json!("hello"), json!("forgotten")]).await;
        receives(&mut client(&another, &at).await, &[json!("hello"), json!(4)]).await;
        for expected in [message(1), message(2), json!({"type": "chat.typing", "number": 7}), message(3), message(4)] {
            assert_eq!(python.receive(&member).await, expected);
        }
        assert_eq!((layer.stats().unrecorded, layer.stats().undecodable), (0, 0));
        // A group without a pattern.
        python.group_send("other", &message(1)).await;
        for host in rig.hosts(2) {
            let keys = rig.text(&host, json!(["KEYS", "*other*"])).await;
            assert!(keys.is_empty(), "{keys:?}");
        }
    }
}

#[tokio::test]
async fn message_of_plain_python_sender_is_delivered_and_logged_once() {
    let (log, _listening) = Records::listen();
    let rig = Rig::start(1);
    let config = json!({"hosts": rig.hosts(1)});
    let rust = json!({"default": {"BACKEND": PUBSUB, "CONFIG": config}});
    let layer = ChannelLayer::from_json(&rust.to_string()).await.unwrap();
    let channels = Channels::builder().layer(layer.clone()).build().unwrap();
    let python = rig.open_python(PUBSUB, &config).await;
    let mut here = client(&channels, "").await;
    let start = receives(&mut here, &[json!("hello")]).await;
    for number in [1, 2] {
        python.group_send("chat_one", &message(number)).await;
    }
    python.group_send("chat_one", &json!({"type": "chat.typing", "number": 7})).await;
    layer.group_send(&Room { room: "one".into() }, &ChatMessage { number: 3 }).await.unwrap();
    let at = receives(&mut here, &[json!(1)]).await;
    assert_eq!(at, "", "it has no position");
    receives(&mut here, &[json!(2), json!(7), json!(3)]).await;
    receives(&mut client(&channels, &start).await, &[json!("hello"), json!(3)]).await;
    assert_eq!(layer.stats().unrecorded, 2);
    let logged = log.take("a message is not in the history of its group");
    assert_eq!(logged.len(), 1);
    assert_eq!((logged[0].field("group"), logged[0].field("event")), ("chat_one", "chat.message"));
}
