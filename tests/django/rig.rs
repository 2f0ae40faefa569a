//! Redis servers, a Python process, and layers on both sides with one configuration.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use channels_runtime::Envelope;
use channels_runtime::layer::Channel;
use channels_runtime::prelude::*;
use serde_json::{Value, json};

use crate::peer::{Peer, Raised};
use crate::redis::RedisServer;

pub(crate) const CORE: &str = "channels_redis.core.RedisChannelLayer";
pub(crate) const PUBSUB: &str = "channels_redis.pubsub.RedisPubSubChannelLayer";

/// Time limit for a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// Redis servers, and one Python process for all layers of a test.
pub(crate) struct Rig {
    servers: Vec<RedisServer>,
    pub(crate) peer: Peer,
}

impl Rig {
    pub(crate) fn start(servers: usize) -> Self {
        Self { servers: (0..servers).map(|_| RedisServer::start()).collect(), peer: Peer::start() }
    }

    /// Returns the addresses of the first servers.
    pub(crate) fn hosts(&self, count: usize) -> Vec<String> {
        self.servers[..count].iter().map(RedisServer::url).collect()
    }

    /// Opens a layer on each side. `python` and `rust` are the `CONFIG` of Django's settings for each side.
    pub(crate) async fn open(&self, backend: &'static str, python: &Value, rust: &Value) -> Pair<'_> {
        let prefix = rust["prefix"].as_str().expect("each pair has its own prefix").to_owned();
        let here = ChannelLayer::from_json(&layers(backend, rust).to_string()).await.unwrap();
        self.peer.call("open", &json!({"layer": prefix, "backend": backend, "config": python})).await;
        let urls = rust["hosts"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()).collect();
        Pair { here, there: Python { peer: &self.peer, layer: prefix }, backend, urls }
    }

    /// Opens a layer of another class in Python.
    pub(crate) async fn open_python(&self, backend: &str, config: &Value) -> Python<'_> {
        let layer = backend.to_owned();
        self.peer.call("open", &json!({"layer": layer, "backend": backend, "config": config})).await;
        Python { peer: &self.peer, layer }
    }

    /// Returns the reply of Redis to a command, as a list of strings.
    pub(crate) async fn text(&self, url: &str, command: Value) -> Vec<String> {
        let answer = self.peer.redis(url, &command).await;
        let strings = answer.as_array().expect("the reply is a list").iter().map(from_bytes);
        strings.map(|bytes| String::from_utf8(bytes).expect("text")).collect()
    }

    /// Opens a layer on each side with the same configuration.
    pub(crate) async fn open_alike(&self, backend: &'static str, prefix: &str, more: &Value) -> Pair<'_> {
        let mut config = json!({"hosts": self.hosts(1), "prefix": prefix});
        merge(&mut config, more);
        self.open(backend, &config, &config).await
    }
}

/// Returns Django's `CHANNEL_LAYERS`.
pub(crate) fn layers(backend: &str, config: &Value) -> Value {
    json!({"default": {"BACKEND": backend, "CONFIG": config}})
}

pub(crate) fn merge(config: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
}

/// One layer in Rust and in Python.
pub(crate) struct Pair<'a> {
    pub(crate) here: ChannelLayer,
    pub(crate) there: Python<'a>,
    backend: &'static str,
    urls: Vec<String>,
}

impl Pair<'_> {
    /// Returns the class of the Python layer.
    pub(crate) fn backend(&self) -> &'static str {
        self.backend
    }

    /// Waits until a reader subscribes to this topic: on pub/sub a reader subscribes when it starts to receive.
    pub(crate) async fn reader_listens(&self, topic: &str) {
        if self.backend != PUBSUB {
            return;
        }
        let listens = async {
            loop {
                for url in &self.urls {
                    let found = self.there.peer.redis(url, &json!(["PUBSUB", "NUMSUB", topic])).await;
                    if found[1] == 1 {
                        return;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, listens).await.expect("a reader subscribes");
    }

    /// Adds a Python channel to a group and returns its name.
    pub(crate) async fn python_member(&self, group: &str) -> String {
        let channel = self.there.new_channel().await;
        self.there.call("group_add", json!({"group": group, "channel": channel})).await;
        channel
    }

    /// Returns the address of the server that holds the key.
    pub(crate) fn url(&self) -> &str {
        &self.urls[0]
    }
}

/// The layer of the Python process.
pub(crate) struct Python<'a> {
    pub(crate) peer: &'a Peer,
    layer: String,
}

impl Python<'_> {
    /// Returns the name of the layer in `peer.py`, which is its prefix.
    pub(crate) fn layer(&self) -> &str {
        &self.layer
    }

    pub(crate) fn begin(
        &self,
        name: &str,
        mut arguments: Value,
    ) -> impl Future<Output = Result<Value, Raised>> + use<> {
        arguments["layer"] = self.layer.as_str().into();
        self.peer.begin(name, &arguments)
    }

    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Value {
        self.begin(name, arguments).await.unwrap_or_else(|raised| panic!("{name}: {raised}"))
    }

    pub(crate) async fn new_channel(&self) -> String {
        self.call("new_channel", json!({})).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn group_send(&self, group: &str, message: &Value) {
        self.call("group_send", json!({"group": group, "message": message})).await;
    }

    pub(crate) async fn send(&self, channel: &str, message: &Value) -> Result<(), Raised> {
        self.begin("send", json!({"channel": channel, "message": message})).await.map(|_| ())
    }

    pub(crate) async fn receive(&self, channel: &str) -> Value {
        self.call("receive", json!({"channel": channel})).await
    }
}

/// Waits until a worker on this layer takes jobs: its consumer then has a channel, next to those that the layer had `before`. On
/// pub/sub it has subscribed earlier, and jobs of that time are lost.
pub(crate) async fn worker_takes_jobs(layer: &ChannelLayer, before: usize) {
    let running = async {
        while layer.channels_here() <= before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.expect("the worker starts");
}

pub(crate) async fn next(channel: &Channel) -> Envelope {
    let arrived = tokio::time::timeout(PATIENCE, channel.receive()).await;
    arrived.expect("a message arrives in time").expect("the layer is open")
}

/// Returns whether nothing arrives within 200 ms.
pub(crate) async fn nothing(channel: &Channel) -> bool {
    tokio::time::timeout(Duration::from_millis(200), channel.receive()).await.is_err()
}

/// A message that both sides know.
#[event("note")]
#[derive(Debug, PartialEq)]
pub(crate) struct Note {
    pub(crate) number: u32,
}

/// The group `notes`.
#[group("notes", events(Note))]
pub(crate) struct Notes;

/// Returns the same message as Python has it.
pub(crate) fn note(number: u32) -> Value {
    json!({"type": "note", "number": number})
}

/// Returns bytes in the format that `peer.py` reads.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    json!({"__bytes__": STANDARD.encode(bytes)})
}

/// Returns the bytes that `peer.py` has written.
pub(crate) fn from_bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value["__bytes__"].as_str().expect("bytes")).expect("base64")
}
