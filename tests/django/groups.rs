//! Groups and channels with members on both sides. The tests follow channels_redis' own tests of two Python layers.

use std::time::Duration;

use channels_runtime::layer::Channel;
use channels_runtime::prelude::*;
use channels_runtime::testing::{CommunicatorError, WebsocketCommunicator};
use serde_json::json;

use crate::rig::{CORE, Note, Notes, PUBSUB, Pair, Rig, next, note, nothing};

async fn member(pair: &Pair<'_>) -> Channel {
    let channel = pair.here.new_channel().await.unwrap();
    pair.here.group_add(&Notes, channel.name()).await.unwrap();
    channel
}

/// `test_multi_send_receive`
async fn messages_to_channel_keep_their_order(pair: &Pair<'_>) {
    let channel = pair.here.new_channel().await.unwrap();
    let theirs = pair.there.new_channel().await;
    let first = pair.there.begin("receive", json!({"channel": theirs}));
    pair.reader_listens(&theirs).await;
    for number in 0..50 {
        pair.there.send(channel.name().as_str(), &note(number)).await.unwrap();
        pair.here.send_raw(&theirs, note(number)).await.unwrap();
    }
    assert_eq!(first.await.unwrap(), note(0));
    for number in 0..50 {
        assert_eq!(next(&channel).await.decode::<Note>().unwrap().number, number);
        if number > 0 {
            assert_eq!(pair.there.receive(&theirs).await, note(number));
        }
    }
}

/// `test_groups_basic`
async fn former_member_receives_nothing(pair: &Pair<'_>) {
    let (stays, left) = (member(pair).await, member(pair).await);
    let (theirs, theirs_left) = (pair.python_member("notes").await, pair.python_member("notes").await);
    pair.here.group_discard(&Notes, left.name()).await.unwrap();
    pair.there.call("group_discard", json!({"group": "notes", "channel": theirs_left})).await;
    for number in 0..2 {
        if number == 0 {
            pair.here.group_send(&Notes, &Note { number }).await.unwrap();
        } else {
            pair.there.group_send("notes", &note(number)).await;
        }
        assert_eq!(next(&stays).await.decode::<Note>().unwrap().number, number);
        assert_eq!(pair.there.receive(&theirs).await, note(number));
    }
    assert!(nothing(&left).await);
    let heard = pair.there.call("receive_nothing", json!({"channel": theirs_left, "timeout": 0.2})).await;
    assert!(heard.is_null(), "{heard}");
}

/// `test_groups_same_prefix`
async fn members_of_one_process_each_receive_message_once(pair: &Pair<'_>) {
    let ours = [member(pair).await, member(pair).await, member(pair).await];
    let mut theirs = Vec::new();
    for _ in 0..3 {
        theirs.push(pair.python_member("notes").await);
    }
    pair.here.group_send(&Notes, &Note { number: 1 }).await.unwrap();
    pair.there.group_send("notes", &note(2)).await;
    for channel in &ours {
        for number in [1, 2] {
            assert_eq!(next(channel).await.decode::<Note>().unwrap().number, number);
        }
        assert!(channel.try_receive().is_none());
    }
    for channel in &theirs {
        let heard = pair.there.call("drain", json!({"channel": channel, "timeout": 0.1})).await;
        assert_eq!(heard, json!([note(1), note(2)]));
    }
}

/// `test_receive_cancel` and `test_receive_hang`
async fn cancelled_receive_loses_no_message(pair: &Pair<'_>) {
    let channel = member(pair).await;
    let flood = json!({"group": "notes", "count": 80, "message": {"type": "note"}});
    let flooding = pair.there.begin("flood", flood);
    let mut given_up = 0_u64;
    for number in 0..80 {
        let heard = loop {
            // Without waiting at first, then about as long as a message takes.
            let patience = Duration::from_micros(given_up * 37 % 2000);
            match tokio::time::timeout(patience, channel.receive()).await {
                Ok(heard) => break heard.unwrap(),
                Err(_) => given_up += 1,
            }
            assert!(given_up < 100_000, "message {number} does not come");
        };
        assert_eq!(heard.decode::<Note>().unwrap().number, number);
    }
    assert!(given_up > 0);
    flooding.await.unwrap();
}

/// `test_discard_before_add`
async fn group_discard_without_membership_succeeds(pair: &Pair<'_>) {
    let channel = pair.here.new_channel().await.unwrap();
    pair.here.group_discard(&Notes, channel.name()).await.unwrap();
    pair.here.group_add(&Notes, channel.name()).await.unwrap();
    pair.there.group_send("notes", &note(1)).await;
    assert_eq!(next(&channel).await.decode::<Note>().unwrap().number, 1);
}

struct Speaker;

#[consumer]
impl Speaker {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Notes).await?;
        Ok(Self)
    }

    #[receive]
    async fn receive(&mut self, cx: &mut Context<Self>, Json(number): Json<u32>) -> Result<()> {
        cx.group_send_others(&Notes, &Note { number }).await
    }

    #[handler("note")]
    fn note(event: &Note) -> Json<u32> {
        Json(event.number)
    }
}

/// For Python, a message to the others is like any other message.
async fn group_send_others_reaches_python(pair: &Pair<'_>) {
    let channels = Channels::builder().layer(pair.here.clone()).build().unwrap();
    let mut speaker = WebsocketCommunicator::new(channels.route::<Speaker>(warp::path!("notes")), "/notes");
    speaker.connect().await.unwrap();
    let theirs = pair.python_member("notes").await;
    for number in 0..10 {
        speaker.send_json_to(&number).await.unwrap();
        assert_eq!(pair.there.receive(&theirs).await, note(number));
    }
    pair.there.group_send("notes", &note(10)).await;
    let first = loop {
        match speaker.receive_json_from::<u32>().await {
            Err(CommunicatorError::Nothing { .. }) => {}
            heard => break heard.unwrap(),
        }
    };
    assert_eq!(first, 10);
}

/// With `core`, Redis knows all members. With pub/sub, each process knows its own members, and Python processes are not
/// asked.
async fn group_members_include_python_on_core_only(pair: &Pair<'_>) {
    let ours = member(pair).await;
    let theirs = pair.python_member("notes").await;
    let mut names = pair.here.group_members(&Notes).await.unwrap();
    let count = pair.here.group_count(&Notes).await.unwrap();
    if pair.backend() == CORE {
        names.retain(|name| name.as_str() != theirs);
        assert_eq!(count, 2);
    } else {
        assert_eq!(count, 1);
    }
    assert_eq!(names, [ours.name().clone()]);
}

macro_rules! on_both_layers {
    ($($test:ident),*) => {
        mod core {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let rig = super::Rig::start(1);
                super::$test(&rig.open_alike(super::CORE, "asgi", &super::json!({})).await).await;
            })*
        }
        mod pubsub {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let rig = super::Rig::start(1);
                super::$test(&rig.open_alike(super::PUBSUB, "asgi", &super::json!({})).await).await;
            })*
        }
    };
}

on_both_layers!(
    messages_to_channel_keep_their_order,
    former_member_receives_nothing,
    members_of_one_process_each_receive_message_once,
    cancelled_receive_loses_no_message,
    group_discard_without_membership_succeeds,
    group_send_others_reaches_python,
    group_members_include_python_on_core_only
);

/// `test_groups_multiple_hosts` and `test_groups_multiple_hosts_performance`: ten databases of one server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_over_ten_databases_reach_both_sides() {
    let rig = Rig::start(1);
    let url = rig.hosts(1).remove(0);
    let hosts: Vec<_> = (0..10).map(|number| url.replace("/0", &format!("/{number}"))).collect();
    let config = json!({"hosts": hosts, "prefix": "asgi"});
    let pair = rig.open(CORE, &config, &config).await;
    for number in 0..40 {
        let group = format!("notes-{number}");
        let theirs = pair.python_member(&group).await;
        pair.here.group_send_raw(&group, note(number)).await.unwrap();
        assert_eq!(pair.there.receive(&theirs).await, note(number));
    }
    let ours: Vec<_> = [member(&pair).await, member(&pair).await].into();
    for number in 0..100 {
        pair.there.group_send("notes", &note(number)).await;
        for channel in &ours {
            assert_eq!(next(channel).await.decode::<Note>().unwrap().number, number);
        }
    }
}

/// `test_default_group_key_format` and `test_custom_group_key_format`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_is_stored_under_the_key_of_channels_redis() {
    let rig = Rig::start(1);
    for prefix in ["asgi", "test_prefix"] {
        let pair = rig.open_alike(CORE, prefix, &json!({})).await;
        let channel = member(&pair).await;
        let key = format!("{prefix}:group:notes");
        let members = rig.text(pair.url(), json!(["ZRANGE", key, 0, -1])).await;
        assert_eq!(members, [channel.name().as_str()]);
        let lasts = rig.peer.redis(pair.url(), &json!(["TTL", key])).await;
        assert!((86_000..=86_400).contains(&lasts.as_u64().unwrap()), "{lasts}");
        drop(channel);
        let gone = async { while rig.peer.redis(pair.url(), &json!(["EXISTS", key])).await != 0 {} };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the dropped channel leaves its groups");
    }
}

/// channels_redis does not check the prefix of this layer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefix_of_pubsub_may_have_any_characters() {
    let rig = Rig::start(1);
    for prefix in ["my:site", "my site", "é!"] {
        let pair = rig.open_alike(PUBSUB, prefix, &json!({})).await;
        let (channel, theirs) = (member(&pair).await, pair.python_member("notes").await);
        for name in [channel.name().as_str(), &theirs] {
            assert!(name.starts_with(&format!("{prefix}specific.")), "{name}");
        }
        let group = format!("{prefix}__group__notes");
        let subscribed = rig.peer.redis(pair.url(), &json!(["PUBSUB", "NUMSUB", group])).await;
        assert_eq!(subscribed[1], 2, "{subscribed}");
        messages_to_channel_keep_their_order(&pair).await;
        former_member_receives_nothing(&pair).await;
    }
}

/// `test_auto_reconnect`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_resubscribe_on_both_sides() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(PUBSUB, "asgi", &json!({})).await;
    let (stays, left) = (member(&pair).await, member(&pair).await);
    let theirs = pair.python_member("notes").await;
    pair.here.group_discard(&Notes, left.name()).await.unwrap();
    for round in 0..2 {
        rig.peer.redis(pair.url(), &json!(["CLIENT", "KILL", "TYPE", "pubsub"])).await;
        let back = async {
            // A message that is published before both sides subscribe again is lost on this layer.
            while rig.peer.redis(pair.url(), &json!(["PUBSUB", "NUMSUB", "asgi__group__notes"])).await[1] != 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.expect("both subscribe again");
        pair.here.group_send(&Notes, &Note { number: round }).await.unwrap();
        assert_eq!(next(&stays).await.decode::<Note>().unwrap().number, round);
        assert_eq!(pair.there.receive(&theirs).await, note(round));
    }
    assert!(nothing(&left).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_of_core_removes_groups_of_both_sides() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(CORE, "asgi", &json!({})).await;
    for by_python in [false, true] {
        let channel = member(&pair).await;
        let theirs = pair.python_member("notes").await;
        if by_python {
            pair.there.call("flush", json!({})).await;
        } else {
            pair.here.flush().await.unwrap();
        }
        assert!(rig.text(pair.url(), json!(["KEYS", "asgi*"])).await.is_empty());
        pair.here.group_send(&Notes, &Note { number: 1 }).await.unwrap();
        pair.there.group_send("notes", &note(2)).await;
        assert!(nothing(&channel).await);
        let heard = pair.there.call("receive_nothing", json!({"channel": theirs, "timeout": 0.2})).await;
        assert!(heard.is_null(), "{heard}");
        // A channel that joins again receives messages again.
        pair.here.group_add(&Notes, channel.name()).await.unwrap();
        pair.there.group_send("notes", &note(3)).await;
        assert_eq!(next(&channel).await.decode::<Note>().unwrap().number, 3);
        pair.here.group_discard(&Notes, channel.name()).await.unwrap();
    }
}

/// Pub/sub keeps no groups in Redis: each side removes its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_of_pubsub_removes_groups_of_one_side() {
    let rig = Rig::start(1);
    let pair = rig.open_alike(PUBSUB, "asgi", &json!({})).await;
    let channel = member(&pair).await;
    let theirs = pair.python_member("notes").await;
    pair.here.flush().await.unwrap();
    pair.there.group_send("notes", &note(1)).await;
    assert_eq!(pair.there.receive(&theirs).await, note(1));
    assert!(nothing(&channel).await);
    pair.here.group_add(&Notes, channel.name()).await.unwrap();
    pair.there.call("flush", json!({})).await;
    pair.here.group_send(&Notes, &Note { number: 2 }).await.unwrap();
    assert_eq!(next(&channel).await.decode::<Note>().unwrap().number, 2);
}
