//! Every path of a message, in every configuration: each message arrives unchanged.

use std::fmt;
use std::time::Duration;

use channels_runtime::layer::Untyped;
use channels_runtime::prelude::*;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::rig::{CORE, PUBSUB, Pair, Rig, bytes, merge, next, worker_takes_jobs};

/// Byte strings, as bytes on the wire.
#[derive(Debug, Clone, PartialEq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Blob, A::Error> {
                Err(serde::de::Error::custom("a list of numbers is not a byte string"))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[event("all.kinds")]
#[derive(Debug, Clone, PartialEq)]
struct AllKinds {
    text: String,
    lowest: i64,
    highest: u64,
    floats: Vec<f64>,
    nothing: Option<String>,
    yes: bool,
    nested: Value,
    /// Only msgpack has byte strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Blob>,
}

#[group("kinds", events(AllKinds))]
struct Kinds;

/// The group that receives the worker's events.
#[group("worked", events(AllKinds))]
struct Worked;

/// A worker that forwards its events.
#[derive(Default)]
struct Shows;

#[consumer]
impl Shows {
    #[handler("all.kinds")]
    async fn all_kinds(&mut self, cx: &mut Context<Self>, event: &AllKinds) -> Result<()> {
        cx.group_send(&Worked, event).await
    }
}

fn all_kinds(with_bytes: bool) -> AllKinds {
    AllKinds {
        text: "¯\\_(ツ)_/¯ \u{1f980} ü \"quoted\" \u{0}\n".into(),
        lowest: i64::MIN,
        highest: u64::MAX,
        // A JSON reader with a fast but inexact float parser reads the last one wrongly.
        floats: vec![0.1 + 0.2, 2.0, -0.0, 5e-324, f64::MAX, 1.0 / 3.0, 0.907_303_832_202_868_9],
        nothing: None,
        yes: true,
        nested: json!({"list": [1, -1, null, false, 0.5, {"deep": ["x", {}, []]}], "ключ": {"": "an empty key"}}),
        bytes: with_bytes.then(|| Blob(ALL_BYTES.into())),
    }
}

/// The same event as `peer.py` writes it.
fn as_python_has_it(event: &AllKinds) -> Value {
    let mut value = serde_json::to_value(event).unwrap();
    value["type"] = "all.kinds".into();
    if value.get("bytes").is_some() {
        value["bytes"] = bytes(&ALL_BYTES);
    }
    value
}

const ALL_BYTES: [u8; 5] = [0x00, 0x7f, 0x80, 0xc1, 0xff];

/// The encryption keys of the two sides. The first key encrypts, all keys decrypt.
enum Keys {
    None,
    Same,
    /// One side has the new key, and the other still encrypts with the old one.
    Rotated,
}

impl Keys {
    fn python(&self) -> Value {
        match self {
            Self::None => json!({}),
            Self::Same => json!({"symmetric_encryption_keys": ["a-test-key-of-messages"]}),
            Self::Rotated => {
                json!({"symmetric_encryption_keys": ["the-new-key-of-messages", "a-test-key-of-messages"]})
            }
        }
    }

    fn rust(&self) -> Value {
        match self {
            Self::Rotated => {
                json!({"symmetric_encryption_keys": ["a-test-key-of-messages", "the-new-key-of-messages"]})
            }
            Self::None | Self::Same => self.python(),
        }
    }
}

async fn every_path(pair: &Pair<'_>, event: &AllKinds) {
    let message = as_python_has_it(event);
    let (here, there) = (&pair.here, &pair.there);

    // Through a group with members on both sides, from each side.
    let member = here.new_channel().await.unwrap();
    here.group_add(&Kinds, member.name()).await.unwrap();
    let python_member = pair.python_member("kinds").await;
    there.group_send("kinds", &message).await;
    assert_eq!(next(&member).await.decode::<AllKinds>().unwrap(), *event, "group_send from Python");
    assert_eq!(there.receive(&python_member).await, message);
    here.group_send(&Kinds, event).await.unwrap();
    assert_eq!(there.receive(&python_member).await, message, "group_send from Rust");
    assert_eq!(next(&member).await.decode::<AllKinds>().unwrap(), *event);

    // To one channel by its name. With several servers, eight names cover each server.
    let small = |number: u32| json!({"type": "small", "number": number});
    for number in 0..8 {
        let channel = here.new_channel().await.unwrap();
        there.send(channel.name().as_str(), &small(number)).await.unwrap();
        assert_eq!(next(&channel).await.to_value().unwrap(), small(number), "send from Python");
        let python_channel = there.new_channel().await;
        let receiving = there.begin("receive", json!({"channel": python_channel}));
        pair.reader_listens(&python_channel).await;
        here.send_raw(&python_channel, small(number)).await.unwrap();
        assert_eq!(receiving.await.unwrap(), small(number), "send from Rust");
    }
    let name: ChannelName<Untyped> = ChannelName::new(python_member.as_str()).unwrap();
    here.send(&name, event).await.unwrap();
    assert_eq!(there.receive(&python_member).await, message);

    // To a general channel, which workers read. Pub/sub puts no prefix before its name.
    let jobs = format!("jobs-for-{}", there.layer());
    let receiving = there.begin("receive", json!({"channel": jobs}));
    pair.reader_listens(&jobs).await;
    here.send_raw(&jobs, small(1)).await.unwrap();
    assert_eq!(receiving.await.unwrap(), small(1), "a general channel from Rust");

    let channels = Channels::builder().layer(here.clone()).build().unwrap();
    let shown = here.new_channel().await.unwrap();
    here.group_add(&Worked, shown.name()).await.unwrap();
    let jobs = format!("jobs-of-{}", there.layer());
    let worker = channels.worker::<Shows>(jobs.as_str());
    let before = here.channels_here();
    let working = tokio::spawn(async move { worker.run_until(std::future::pending()).await });
    worker_takes_jobs(here, before).await;
    // At least one message for each server: channels_redis takes the servers in turn.
    for _ in 0..4 {
        there.send(&jobs, &message).await.unwrap();
        assert_eq!(next(&shown).await.decode::<AllKinds>().unwrap(), *event, "a general channel from Python");
    }
    assert!(channels.shutdown(Duration::from_secs(5)).await);
    working.await.unwrap().unwrap();

    // One megabyte.
    let large = AllKinds { text: "\u{fc}bung ".repeat(143_000), ..event.clone() };
    assert!(large.text.len() > 1_000_000);
    let message = as_python_has_it(&large);
    there.group_send("kinds", &message).await;
    assert_eq!(next(&member).await.decode::<AllKinds>().unwrap(), large);
    assert_eq!(there.receive(&python_member).await, message);
    here.group_send(&Kinds, &large).await.unwrap();
    assert_eq!(there.receive(&python_member).await, message);
}

async fn cells(backend: &'static str, keys: Keys) {
    let rig = Rig::start(3);
    for format in ["msgpack", "json"] {
        for servers in [1, 3] {
            let prefix = format!("{format}{servers}");
            let shared = json!({"hosts": rig.hosts(servers), "prefix": prefix, "serializer_format": format});
            let (mut python, mut rust) = (shared.clone(), shared);
            merge(&mut python, &keys.python());
            merge(&mut rust, &keys.rust());
            println!("{backend}, {format}, {servers} servers");
            let pair = rig.open(backend, &python, &rust).await;
            every_path(&pair, &all_kinds(format == "msgpack")).await;
            pair.here.close().await;
        }
    }
}

macro_rules! matrix {
    ($($name:ident: $backend:ident, $keys:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            cells($backend, Keys::$keys).await;
        })*
    };
}

matrix! {
    every_path_over_core_delivers: CORE, None;
    every_path_over_encrypted_core_delivers: CORE, Same;
    every_path_over_core_with_rotated_key_delivers: CORE, Rotated;
    every_path_over_pubsub_delivers: PUBSUB, None;
    every_path_over_encrypted_pubsub_delivers: PUBSUB, Same;
    every_path_over_pubsub_with_rotated_key_delivers: PUBSUB, Rotated;
}
