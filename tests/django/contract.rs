//! The generated Python types, sent through real channels_redis.

use std::fs;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::peer::program;
use crate::rig::{CORE, PUBSUB, Rig, layers};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mood {
    Glad,
    Sad,
}

#[event("chat.message")]
struct ChatMessage {
    message: String,
    #[serde(default)]
    mood: Option<Mood>,
}

#[group("chat_{room}_{floor}", events(ChatMessage))]
struct Room {
    room: String,
    floor: u8,
}

#[derive(Serialize, JsonSchema)]
struct Line {
    message: String,
    mood: Option<Mood>,
}

struct Chat;

#[consumer]
impl Chat {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Room { room: "no.one".into(), floor: 7 }).await?;
        Ok(Self)
    }

    #[handler("chat.message")]
    fn chat_message(event: &ChatMessage) -> Json<Line> {
        Json(Line { message: event.message.clone(), mood: event.mood.clone() })
    }
}

contract! {
    name: "chat",
    routes: [Chat at "/chat/"],
    groups: [Room],
}

/// A view without async code, and one with it.
const PROGRAM: &str = r#"
import asyncio, json, sys
import django
from django.conf import settings

settings.configure(CHANNEL_LAYERS=json.loads(sys.argv[1]))
django.setup()

from chat_events import Room

room = Room("no.one", 7)
room.send({"type": "chat.message", "message": "from a view"})
asyncio.run(room.asend({"type": "chat.message", "message": "from async code", "mood": "sad"}))
try:
    Room("no one", 7)
except ValueError as error:
    print(error)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn rust_receives_what_generated_python_sends() {
    let folder = std::env::temp_dir().join(format!("channels-python-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    contract().in_folder(&folder).python("chat_events.py").write().unwrap();
    for backend in [PUBSUB, CORE] {
        let rig = Rig::start(1);
        let settings = layers(backend, &json!({"hosts": rig.hosts(1)}));
        let layer = ChannelLayer::from_json(&settings.to_string()).await.unwrap();
        let channels = Channels::builder().layer(layer).build().unwrap();
        let mut client = WebsocketCommunicator::new(channels.route::<Chat>(warp::path!("chat")), "/chat");
        client.connect().await.unwrap();
        let output = program("python")
            .args(["-c", PROGRAM, &settings.to_string()])
            .env("PYTHONPATH", &folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let refused = String::from_utf8(output.stdout).unwrap();
        assert!(refused.contains("no one"), "{refused}");
        for expected in
            [json!({"message": "from a view", "mood": null}), json!({"message": "from async code", "mood": "sad"})]
        {
            let line: Value = client.receive_json_from().await.unwrap();
            assert_eq!(line, expected, "{backend}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}
