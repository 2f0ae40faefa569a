//! The contract of a channel layer: each test runs on every layer.

use std::time::Duration;

use channels_runtime::error::LayerError;
use channels_runtime::layer::{Channel, Untyped};
use channels_runtime::prelude::*;
use serde_json::{Value, json};

use crate::support::layers::{Two, core, core_sharded, memory, next_event, pubsub, pubsub_sharded};
use crate::support::until::until;

#[event("note")]
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct Note {
    pub(crate) from: u32,
    pub(crate) number: u32,
}

#[group("notes-{name}", events(Note))]
pub(crate) struct Notes {
    name: &'static str,
}

pub(crate) const NOTES: Notes = Notes { name: "a" };

pub(crate) async fn note(channel: &Channel) -> Note {
    next_event(channel).await.decode().unwrap()
}

/// Asserts that no message is in flight to `channel`: a marker that is sent afterwards arrives first.
async fn nothing_before_a_mark(layer: &ChannelLayer, channel: &Channel) {
    let mark = Note { from: 999, number: 999 };
    layer.send(channel.name(), &mark).await.unwrap();
    assert_eq!(note(channel).await, mark);
}

async fn channel_receives_messages_in_order(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    for number in 0..50 {
        two.there.send(channel.name(), &Note { from: 1, number }).await.unwrap();
    }
    for number in 0..50 {
        assert_eq!(note(&channel).await, Note { from: 1, number });
    }
    assert!(channel.try_receive().is_none());
}

async fn group_send_reaches_members_only(two: Two) {
    let member = two.here.new_channel().await.unwrap();
    let neighbour = two.here.new_channel().await.unwrap();
    let far = two.there.new_channel().await.unwrap();
    let left = two.here.new_channel().await.unwrap();
    let stranger = two.here.new_channel().await.unwrap();
    for channel in [&member, &neighbour, &left] {
        two.here.group_add(&NOTES, channel.name()).await.unwrap();
    }
    two.there.group_add(&NOTES, far.name()).await.unwrap();
    two.here.group_add(&Notes { name: "b" }, stranger.name()).await.unwrap();
    two.here.group_discard(&NOTES, left.name()).await.unwrap();

    let sent = Note { from: 1, number: 1 };
    two.there.group_send(&NOTES, &sent).await.unwrap();
    for channel in [&member, &neighbour, &far] {
        assert_eq!(note(channel).await, sent);
    }
    nothing_before_a_mark(&two.there, &left).await;
    nothing_before_a_mark(&two.there, &stranger).await;
}

async fn group_add_twice_joins_once(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    let sent = Note { from: 1, number: 1 };
    two.there.group_send(&NOTES, &sent).await.unwrap();
    assert_eq!(note(&channel).await, sent);
    nothing_before_a_mark(&two.there, &channel).await;
    two.here.group_discard(&NOTES, channel.name()).await.unwrap();
    two.here.group_discard(&NOTES, channel.name()).await.unwrap();
    assert_eq!(two.here.members_here(&NOTES).unwrap(), 0);
}

async fn send_without_receiver_succeeds(two: Two) {
    two.here.group_send(&NOTES, &Note { from: 1, number: 1 }).await.unwrap();
    two.here.send(&ChannelName::new("nobody").unwrap(), &Note { from: 1, number: 1 }).await.unwrap();
    let gone = two.here.new_channel().await.unwrap().name().clone();
    two.there.send(&gone, &Note { from: 1, number: 1 }).await.unwrap();
    two.here.group_discard(&NOTES, &gone).await.unwrap();
}

async fn group_add_of_remote_channel_fails(two: Two) {
    let name: ChannelName<Untyped> = ChannelName::new("specific.elsewhere").unwrap();
    let error = two.here.group_add(&NOTES, &name).await.unwrap_err();
    assert!(matches!(error, LayerError::NotLocal { .. }), "{error}");
}

async fn dropped_channel_leaves_its_groups(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    for name in ["a", "b", "c"] {
        two.here.group_add(&Notes { name }, channel.name()).await.unwrap();
    }
    assert_eq!((two.here.groups_here(), two.here.channels_here()), (3, 1));
    drop(channel);
    assert_eq!((two.here.groups_here(), two.here.channels_here()), (0, 0));
    assert_eq!(two.here.members_here(&NOTES).unwrap(), 0);

    // A channel that joins later receives messages.
    let channel = two.here.new_channel().await.unwrap();
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    two.there.group_send(&NOTES, &Note { from: 1, number: 7 }).await.unwrap();
    assert_eq!(note(&channel).await.number, 7);
}

async fn concurrent_join_and_leave_end_consistent(two: Two) {
    let stays = two.here.new_channel().await.unwrap();
    for round in 0..30 {
        let comes = two.here.new_channel().await.unwrap();
        two.here.group_add(&NOTES, comes.name()).await.unwrap();
        // The last member leaves and another one joins at the same time.
        let (_, joined) = tokio::join!(async { drop(comes) }, two.here.group_add(&NOTES, stays.name()),);
        joined.unwrap();
        let sent = Note { from: 1, number: round };
        two.there.group_send(&NOTES, &sent).await.unwrap();
        assert_eq!(note(&stays).await, sent);
        two.here.group_discard(&NOTES, stays.name()).await.unwrap();
    }
}

async fn group_members_receive_each_sender_in_order(two: Two) {
    let members = [two.here.new_channel().await.unwrap(), two.there.new_channel().await.unwrap()];
    two.here.group_add(&NOTES, members[0].name()).await.unwrap();
    two.there.group_add(&NOTES, members[1].name()).await.unwrap();
    let send = |from: u32, layer: ChannelLayer| async move {
        for number in 0..500 {
            layer.group_send(&NOTES, &Note { from, number }).await.unwrap();
        }
    };
    async fn hear(channel: &Channel) {
        let mut last = [None; 3];
        for _ in 0..1500 {
            let Note { from, number } = note(channel).await;
            let last = &mut last[from as usize];
            assert_eq!(number, last.map_or(0, |last: u32| last + 1), "of sender {from}");
            *last = Some(number);
        }
    }
    let senders = [
        tokio::spawn(send(0, two.here.clone())),
        tokio::spawn(send(1, two.there.clone())),
        tokio::spawn(send(2, two.there.clone())),
    ];
    tokio::join!(hear(&members[0]), hear(&members[1]));
    for sender in senders {
        sender.await.unwrap();
    }
}

#[event("all.kinds")]
#[derive(Debug, PartialEq)]
struct AllKinds {
    text: String,
    low: i64,
    high: u64,
    float: f64,
    nothing: Option<u8>,
    nested: Value,
}

async fn every_value_arrives_unchanged(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    let sent = AllKinds {
        text: "¯\\_(ツ)_/¯ \u{1f980}".repeat(60_000),
        low: i64::MIN,
        high: u64::MAX,
        float: 0.1 + 0.2,
        nothing: None,
        nested: json!({"list": [1, -1, null, true, {"deep": ["x"]}], "empty": {}}),
    };
    two.there.send(channel.name(), &sent).await.unwrap();
    assert_eq!(next_event(&channel).await.decode::<AllKinds>().unwrap(), sent);
    let raw = json!({"type": "raw.one", "n": 1});
    two.there.send_raw(channel.name().as_str(), raw.clone()).await.unwrap();
    assert_eq!(next_event(&channel).await.to_value().unwrap(), raw);
    let error = two.there.send_raw(channel.name().as_str(), json!({"no": "type"})).await.unwrap_err();
    assert!(error.to_string().contains("`type`"), "{error}");
}

async fn full_mailbox_drops_newest_event(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    let marker = two.here.new_channel().await.unwrap();
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    two.here.group_add(&Notes { name: "b" }, marker.name()).await.unwrap();
    for number in 0..5 {
        // A send to a group never fails.
        two.here.group_send(&NOTES, &Note { from: 1, number }).await.unwrap();
    }
    let told = two.here.send(channel.name(), &Note { from: 1, number: 5 }).await;
    if let Err(error) = &told {
        assert!(matches!(error, LayerError::ChannelFull { capacity: 3, .. }), "{error}");
    }
    // A drop that the sender cannot detect is counted by the receiver. Wait until all messages have arrived.
    let dropped = if told.is_err() { 2 } else { 3 };
    until("every drop is counted", || two.here.stats().dropped_full >= dropped).await;
    for number in 0..3 {
        assert_eq!(note(&channel).await.number, number);
    }
    assert!(channel.try_receive().is_none());
}

async fn flush_removes_all_groups(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    two.here.flush().await.unwrap();
    two.here.group_send(&NOTES, &Note { from: 1, number: 1 }).await.unwrap();
    nothing_before_a_mark(&two.here, &channel).await;
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    two.here.group_send(&NOTES, &Note { from: 1, number: 2 }).await.unwrap();
    // With several servers, the marker and the group's message take different paths: a message from before the second join
    // may still have been in flight.
    let heard = note(&channel).await.number;
    assert_eq!(if heard == 1 { note(&channel).await.number } else { heard }, 2);
}

async fn closed_layer_returns_errors(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    two.here.close().await;
    assert!(tokio::time::timeout(Duration::from_secs(5), channel.receive()).await.unwrap().is_none());
    let error = two.here.group_send(&NOTES, &Note { from: 1, number: 1 }).await.unwrap_err();
    assert!(matches!(error, LayerError::Closed), "{error}");
    let error = two.here.send(channel.name(), &Note { from: 1, number: 1 }).await.unwrap_err();
    assert!(matches!(error, LayerError::Closed), "{error}");
}

async fn layer_is_ready_until_closed(two: Two) {
    for layer in [&two.here, &two.there] {
        layer.ready(Duration::from_secs(5)).await.unwrap();
        assert_eq!(layer.channels_here(), 0, "the check leaves no channel");
    }
    two.here.close().await;
    let error = two.here.ready(Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(error, LayerError::Closed), "{error}");
}

async fn blocking_layer_sends_from_plain_thread(two: Two) {
    let channel = two.here.new_channel().await.unwrap();
    two.here.group_add(&NOTES, channel.name()).await.unwrap();
    let (layer, name) = (two.there.blocking(), channel.name().clone());
    let sender = std::thread::spawn(move || {
        layer.group_send(&NOTES, &Note { from: 1, number: 1 })?;
        layer.send(&name, &Note { from: 1, number: 2 })?;
        layer.group_send_raw("notes-a", json!({"type": "note", "from": 1, "number": 3}))
    });
    // Order is guaranteed within a group and within a channel, not between servers.
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(note(&channel).await.number);
    }
    heard.retain(|number| *number != 2);
    assert_eq!(heard, [1, 3]);
    sender.join().unwrap().unwrap();
    let error = two.here.blocking().group_send(&NOTES, &Note { from: 1, number: 1 }).unwrap_err();
    assert!(matches!(error, LayerError::BlockingInAsync), "{error}");
}

macro_rules! contract {
    ($($layer:ident: $($test:ident),* $(,)?;)*) => {
        $(mod $layer {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let config = channels_runtime::layer::LayerConfig::default();
                    super::$test(super::$layer(config).await).await;
                }
            )*

            #[tokio::test]
            async fn full_mailbox_drops_newest_event() {
                let config = channels_runtime::layer::LayerConfig::default().capacity(3);
                super::full_mailbox_drops_newest_event(super::$layer(config).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn group_members_receive_each_sender_in_order() {
                let config = channels_runtime::layer::LayerConfig::default().capacity(2000);
                super::group_members_receive_each_sender_in_order(super::$layer(config).await).await;
            }
        })*
    };
}

macro_rules! for_every_layer {
    ($($layer:ident),*) => {
        contract! {
            $($layer:
                channel_receives_messages_in_order,
                group_send_reaches_members_only,
                group_add_twice_joins_once,
                send_without_receiver_succeeds,
                group_add_of_remote_channel_fails,
                dropped_channel_leaves_its_groups,
                concurrent_join_and_leave_end_consistent,
                every_value_arrives_unchanged,
                flush_removes_all_groups,
                closed_layer_returns_errors,
                layer_is_ready_until_closed,
                blocking_layer_sends_from_plain_thread;
            )*
        }
    };
}

for_every_layer!(memory, pubsub, pubsub_sharded, core, core_sharded);
