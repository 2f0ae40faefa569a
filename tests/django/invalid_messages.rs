//! Invalid messages from a peer in Redis: they are counted, and nothing else fails.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{CORE, Note, Notes, PUBSUB, Pair, Rig, bytes, next, note};

const KEY: &str = "a-test-key-of-messages";

/// Bodies that are not events, in the layer's format, before encryption. `to` is the channel that the core layer adds.
fn bodies(to: &str) -> Vec<Vec<u8>> {
    // Small maps written by hand: a library would refuse to write some of these.
    let text = |text: &str| [&[0xd9, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let routed = [text("__asgi_channel__"), text(to)].concat();
    let with = |size: u8, entries: &[u8]| [&[0x80 + size + 1], entries, routed.as_slice()].concat();
    vec![
        b"\xc1".to_vec(),
        Vec::new(),
        b"\x93\x01\x02\x03".to_vec(),
        // A truncated map.
        b"\x82\xa4type\xa4note".to_vec(),
        with(0, b""),
        // A `type` that is not a string.
        with(1, b"\xa4type\x07"),
        // Invalid UTF-8 in the name of a field.
        with(2, b"\xa4type\xa4note\xa2\xff\xfe\x01"),
        // Keys that are numbers.
        with(2, b"\x01\xa3one\xa4type\xa4note"),
    ]
}

async fn put(rig: &Rig, pair: &Pair<'_>, backend: &str, channel: &str, body: &[u8], number: usize) {
    let command = if backend == PUBSUB {
        json!(["PUBLISH", channel, bytes(body)])
    } else {
        let queue = format!("asgi{}!", channel.split_once('!').unwrap().0);
        // The prefix of twelve bytes, which makes equal messages distinct.
        let member = [format!("{number:012}").as_bytes(), body].concat();
        json!(["ZADD", queue, format!("{}", now()), bytes(&member)])
    };
    rig.peer.redis(pair.url(), &command).await;
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

async fn invalid_message_is_counted(backend: &'static str, more: &Value) {
    let rig = Rig::start(1);
    let encrypted = more.get("symmetric_encryption_keys").is_some();
    let pair = rig.open_alike(backend, "asgi", more).await;
    let channel = pair.here.new_channel().await.unwrap();
    pair.here.group_add(&Notes, channel.name()).await.unwrap();
    let name = channel.name().as_str();
    let token = async |key: &str, body: &[u8], age: u32| {
        let token = rig.peer.call("token", &json!({"key": key, "body": bytes(body), "age": age})).await;
        crate::rig::from_bytes(&token)
    };
    let mut puts = Vec::new();
    for body in bodies(name) {
        // In plain text, which is invalid on an encrypted layer, and encrypted.
        puts.push(body.clone());
        if encrypted {
            puts.push(token(KEY, &body, 0).await);
        }
    }
    if encrypted {
        let good = rmp(name);
        puts.push(token("another-key", &good, 0).await);
        if backend == CORE {
            // Older than `expiry` plus the ten seconds that channels_redis adds.
            puts.push(token(KEY, &good, 75).await);
        }
    }
    for (number, body) in puts.iter().enumerate() {
        put(&rig, &pair, backend, name, body, number).await;
    }
    let counted = async {
        while pair.here.stats().undecodable < puts.len() as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    _ = tokio::time::timeout(Duration::from_secs(5), counted).await;
    assert_eq!(pair.here.stats().undecodable, puts.len() as u64);
    // An unknown event is valid: a channel without a consumer receives it.
    pair.there.group_send("notes", &json!({"type": "unheard.of"})).await;
    assert_eq!(next(&channel).await.event_name(), "unheard.of");
    pair.there.group_send("notes", &note(1)).await;
    assert_eq!(next(&channel).await.decode::<Note>().unwrap().number, 1);
}

/// `{"type": "note", "number": 7, "__asgi_channel__": to}`
fn rmp(to: &str) -> Vec<u8> {
    let mut body = b"\x83\xa4type\xa4note\xa6number\x07\xb0__asgi_channel__\xd9".to_vec();
    body.push(u8::try_from(to.len()).unwrap());
    body.extend(to.as_bytes());
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_message_on_core_is_counted() {
    invalid_message_is_counted(CORE, &json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_message_on_encrypted_core_is_counted() {
    invalid_message_is_counted(CORE, &json!({"symmetric_encryption_keys": [KEY]})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_message_on_pubsub_is_counted() {
    invalid_message_is_counted(PUBSUB, &json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_message_on_encrypted_pubsub_is_counted() {
    invalid_message_is_counted(PUBSUB, &json!({"symmetric_encryption_keys": [KEY]})).await;
}
