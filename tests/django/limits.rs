//! Capacity and expiry of the core layer: each side's limits as the other side sees them.

use std::sync::mpsc;
use std::time::Duration;

use channels_runtime::ChannelName;
use channels_runtime::error::LayerError;
use channels_runtime::layer::Untyped;
use channels_runtime::prelude::*;
use serde_json::json;

use crate::rig::{CORE, Note, Notes, Rig, layers, merge, next, note, nothing};

fn channel(name: &str) -> ChannelName<Untyped> {
    ChannelName::new(name).unwrap()
}

fn is_full(sent: Result<(), LayerError>, of: usize) {
    match sent {
        Err(LayerError::ChannelFull { capacity, .. }) => assert_eq!(capacity, of),
        other => panic!("{other:?}"),
    }
}

/// `test_send_capacity`, between Rust and Python.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_python_queue_returns_channel_full() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(CORE, "asgi", &json!({"capacity": 3})).await;
    // The queue of a process that does not read, and a general channel without a worker.
    let stuck = pair.there.new_channel().await;
    for name in [stuck.as_str(), "test-channel"] {
        for number in 0..3 {
            pair.here.send(&channel(name), &Note { number }).await.unwrap();
        }
        is_full(pair.here.send(&channel(name), &Note { number: 3 }).await, 3);
        let raised = pair.there.send(name, &note(3)).await.unwrap_err();
        assert_eq!(raised.name, "ChannelFull");
        // Receiving one message makes space for one.
        assert_eq!(pair.there.receive(name).await, note(0));
        pair.here.send(&channel(name), &Note { number: 4 }).await.unwrap();
        for number in [1, 2, 4] {
            assert_eq!(pair.there.receive(name).await, note(number));
        }
    }
}

/// A Rust process whose thread is blocked, as by a blocking handler.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_rust_process_is_full_for_python() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(CORE, "asgi", &json!({"capacity": 3})).await;
    let settings = layers(CORE, &json!({"hosts": rig.hosts(1), "capacity": 100})).to_string();
    let (named, name) = mpsc::channel();
    let (go_on, stopped) = mpsc::channel::<()>();
    let stuck = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let layer = ChannelLayer::from_json(&settings).await.unwrap();
            let channel = layer.new_channel().await.unwrap();
            layer.group_add(&Notes, channel.name()).await.unwrap();
            named.send(channel.name().to_string()).unwrap();
            stopped.recv().unwrap();
            let mut heard = Vec::new();
            loop {
                let number = next(&channel).await.decode::<Note>().unwrap().number;
                if number == 1000 {
                    layer.close().await;
                    return heard;
                }
                heard.push(number);
            }
        })
    });
    let name = tokio::task::spawn_blocking(move || name.recv().unwrap()).await.unwrap();
    let mut accepted = 0;
    let raised = loop {
        match pair.there.send(&name, &note(accepted)).await {
            Ok(()) => accepted += 1,
            Err(raised) => break raised,
        }
        assert!(accepted < 10, "three messages wait, and one more may be in flight");
    };
    assert_eq!(raised.name, "ChannelFull");
    is_full(pair.here.send(&channel(&name), &Note { number: 999 }).await, 3);
    // `group_send` does not fail, and Python logs the message of channels_redis.
    pair.there.call("flood", json!({"group": "notes", "count": 1, "message": {"type": "note"}})).await;
    let logged = rig.peer.call("logged", &json!({})).await;
    assert!(logged.to_string().contains("1 of 1 channels over capacity in group notes"), "{logged}");
    pair.here.group_send(&Notes, &Note { number: 999 }).await.unwrap();
    assert_eq!(pair.here.stats().dropped_full, 1);

    go_on.send(()).unwrap();
    let end = async {
        while pair.here.send(&channel(&name), &Note { number: 1000 }).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), end).await.expect("the process reads again");
    let heard = tokio::task::spawn_blocking(|| stuck.join().unwrap()).await.unwrap();
    assert_eq!(heard, (0..accepted).collect::<Vec<_>>());
}

/// `test_send_specific_capacity`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channel_capacity_applies_to_matching_names() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(CORE, "asgi", &json!({"capacity": 3, "channel_capacity": {"one*": 1}})).await;
    pair.here.send(&channel("one-1"), &Note { number: 0 }).await.unwrap();
    is_full(pair.here.send(&channel("one-1"), &Note { number: 1 }).await, 1);
    assert_eq!(pair.there.send("one-1", &note(1)).await.unwrap_err().name, "ChannelFull");
    for number in 0..3 {
        pair.here.send(&channel("two"), &Note { number }).await.unwrap();
    }
    is_full(pair.here.send(&channel("two"), &Note { number: 3 }).await, 3);
}

/// `test_groups_channel_full`, `test_group_send_capacity` and `test_group_send_capacity_multiple_channels`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_group_member_misses_messages() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(CORE, "asgi", &json!({"capacity": 3})).await;
    let full = pair.python_member("notes").await;
    let ours = pair.here.new_channel().await.unwrap();
    pair.here.group_add(&Notes, ours.name()).await.unwrap();
    for number in 0..5 {
        pair.here.group_send(&Notes, &Note { number }).await.unwrap();
        assert_eq!(next(&ours).await.decode::<Note>().unwrap().number, number);
    }
    assert_eq!(pair.here.stats().dropped_full, 2);
    pair.there.group_send("notes", &note(5)).await;
    assert_eq!(next(&ours).await.decode::<Note>().unwrap().number, 5);
    let logged = rig.peer.call("logged", &json!({})).await;
    assert!(logged.to_string().contains("1 of 2 channels over capacity in group notes"), "{logged}");
    let heard = pair.there.call("drain", json!({"channel": full, "timeout": 0.2})).await;
    assert_eq!(heard, json!([note(0), note(1), note(2)]));
}

/// `test_message_expiry__earliest_message_expires`, `..all_messages_under_expiration_time` and `..group_send`: at the third
/// message the first one has expired and the second one has not, whichever side sent them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_message_of_other_side_is_dropped() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(CORE, "asgi", &json!({"expiry": 2})).await;
    let member = pair.python_member("notes").await;
    for number in 0..3 {
        if number == 2 {
            pair.here.send(&channel("of-python"), &Note { number }).await.unwrap();
            pair.there.send("of-rust", &note(number)).await.unwrap();
        } else {
            pair.there.send("of-python", &note(number)).await.unwrap();
            pair.here.send(&channel("of-rust"), &Note { number }).await.unwrap();
        }
        pair.here.group_send(&Notes, &Note { number }).await.unwrap();
        // Whole seconds are compared: after 3.1 s the first message has expired at any phase. The second message has not,
        // with a margin for a busy machine.
        tokio::time::sleep(Duration::from_millis([1900, 1200, 0][number as usize])).await;
    }
    for name in ["of-python", "of-rust", member.as_str()] {
        let heard = pair.there.call("drain", json!({"channel": name, "timeout": 0.2})).await;
        assert_eq!(heard, json!([note(1), note(2)]), "{name}");
    }
}

/// A Python channel leaves its groups `group_expiry` after it joined, even if it is alive. A Rust channel does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_of_rust_is_renewed() {
    let rig = Rig::start(1);
    let mut config = json!({"hosts": rig.hosts(1), "prefix": "asgi"});
    // Redis compares whole seconds, and the memberships of Rust are renewed after half of this time: the rest is a margin for a
    // busy machine.
    merge(&mut config, &json!({"group_expiry": 4}));
    let pair = rig.open(CORE, &config, &config).await;
    let theirs = pair.python_member("notes").await;
    let ours = pair.here.new_channel().await.unwrap();
    pair.here.group_add(&Notes, ours.name()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5200)).await;
    pair.there.group_send("notes", &note(1)).await;
    pair.here.group_send(&Notes, &Note { number: 2 }).await.unwrap();
    for number in [1, 2] {
        assert_eq!(next(&ours).await.decode::<Note>().unwrap().number, number);
    }
    assert!(nothing(&ours).await);
    let heard = pair.there.call("receive_nothing", json!({"channel": theirs, "timeout": 0.2})).await;
    assert!(heard.is_null(), "{heard}");
}
