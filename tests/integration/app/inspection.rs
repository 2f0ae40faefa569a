//! Inspection: the application snapshot and the recorded metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;

use crate::support::gate::Gate;
use crate::support::recorder::recorded;
use crate::support::redis::RedisServer;

struct StuckConsumer;

#[event("stuck.asked")]
struct Asked {
    answer: ChannelName,
}

#[group("inspected-{name}", events(Asked))]
struct Stuck {
    name: String,
}

/// Opened when the test has inspected the stuck handler.
static LOOKED_AT: Gate = Gate::closed();

#[consumer]
impl StuckConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Stuck { name: "stuck".into() }).await?;
        Ok(Self)
    }

    #[handler("stuck.asked")]
    async fn asked(&mut self, cx: &mut Context<Self>, event: &Asked) -> Result<()> {
        cx.send_event(&event.answer, event).await?;
        LOOKED_AT.pass().await;
        Ok(())
    }
}

#[event("shown.wide")]
struct Wide {
    text: String,
}

#[group("inspected-{name}", events(Wide))]
struct Shown {
    name: String,
}

struct ShownConsumer;

#[consumer]
impl ShownConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Shown { name: "shown".into() }).await?;
        Ok(Self)
    }

    #[handler("shown.wide")]
    fn wide(event: &Wide) -> String {
        event.text.clone()
    }
}

#[tokio::test]
async fn inspection_reports_connections_groups_and_backlog() {
    let channels = Channels::builder().outbound_limit(8 << 20).max_connections(50).build().unwrap();
    let layer = channels.channel_layer();
    let stuck = channels.route::<StuckConsumer>(warp::path!("stuck"));
    let shown = channels.route::<ShownConsumer>(warp::path!("shown"));
    let mut stuck = WebsocketCommunicator::new(stuck, "/stuck");
    stuck.connect().await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = WebsocketCommunicator::new(shown.clone(), "/shown");
        client.connect().await.unwrap();
        clients.push(client);
    }
    let nothing = channels.inspect();
    assert_eq!((nothing.connections, nothing.backlog), (4, Default::default()));

    // One event is being handled and three wait. Three clients do not read their frames.
    let answers = layer.new_channel().await.unwrap();
    for _ in 0..4 {
        let asked = Asked { answer: answers.name().clone() };
        layer.group_send(&Stuck { name: "stuck".into() }, &asked).await.unwrap();
    }
    answers.receive().await.unwrap();
    let wide = Wide { text: "x".repeat(1 << 20) };
    layer.group_send(&Shown { name: "shown".into() }, &wide).await.unwrap();
    for number in 0..30 {
        layer.group_add(&Anything { number }, answers.name()).await.unwrap();
    }

    let look = channels.inspect();
    assert_eq!(look.consumers, BTreeMap::from([("ShownConsumer", 3), ("StuckConsumer", 1)]));
    assert_eq!((look.connections, look.stats.admitted, look.stats.handshakes.accepted), (4, 4, 4));
    let tasks = look.tasks.expect("this runs in a task of the runtime");
    assert!(tasks >= 4, "each connection has a task: {tasks}");
    let outside = channels.clone();
    assert_eq!(std::thread::spawn(move || outside.inspect().tasks).join().unwrap(), None);
    assert_eq!((look.backlog.events, look.backlog.most_events), (3, 3));
    // The pipe to each client holds 64 KiB.
    let least = (1 << 20) - (64 << 10);
    assert!(look.backlog.most_bytes >= least && look.backlog.bytes >= 3 * least, "{:?}", look.backlog);
    assert_eq!((look.layer.kind, look.layer.servers, look.layer.connected), ("memory", 1, true));
    assert_eq!((look.layer.channels, look.layer.groups), (5, 32));
    assert_eq!(look.layer.largest_groups.len(), 20, "the list is limited to 20 groups");
    let largest = look.layer.largest_groups.iter().map(|group| (group.name.as_str(), group.members));
    assert_eq!(
        largest.take(4).collect::<Vec<_>>(),
        [("inspected-shown", 3), ("anything-0", 1), ("anything-1", 1), ("anything-10", 1)],
        "ordered by size, then by name"
    );
    assert_eq!((look.settings.max_connections, look.settings.capacity, look.settings.compression), (50, 100, None));

    // Four to the stuck consumer, one to each of the other three, and the first of its replies.
    let passed = look.uptime - nothing.uptime;
    let rates = look.rates_since(&nothing);
    assert!((rates.delivered * passed.as_secs_f64() - 8.0).abs() < 1e-6, "{rates:?} in {passed:?}");
    assert_eq!((rates.accepted, rates.dropped), (0.0, 0.0));
    assert!((look.rates.accepted * look.uptime.as_secs_f64() - 4.0).abs() < 1e-6, "the rate since the start");
    assert_eq!(look.rates_since(&look), Default::default(), "without elapsed time the rates are zero");

    let json = serde_json::to_value(&look).unwrap();
    assert_eq!(json["consumers"], serde_json::json!({"ShownConsumer": 3, "StuckConsumer": 1}));
    assert_eq!(json["layer"]["largest_groups"][0], serde_json::json!({"name": "inspected-shown", "members": 3}));
    assert_eq!((json["uptime"].is_number(), json["settings"]["expiry"].as_f64()), (true, Some(60.0)));

    // The recorder gets the same values.
    let figures = recorded(&channels);
    assert_eq!((figures["channels_mailbox_events"], figures["channels_mailbox_events_max"]), (3.0, 3.0));
    let (bytes, most) = (figures["channels_outbound_bytes"], figures["channels_outbound_bytes_max"]);
    assert!(most >= least as f64 && bytes >= 3.0 * least as f64, "{most} of {bytes}");

    LOOKED_AT.open(4);
    drop((stuck, clients));
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    let look = channels.inspect();
    assert_eq!((look.connections, look.consumers.len(), look.backlog), (0, 0, Default::default()));
    assert!(look.tasks.is_some_and(|left| left <= tasks - 4), "{:?} of {tasks} tasks are left", look.tasks);
}

#[group("anything-{number}", events(Asked))]
struct Anything {
    number: u32,
}

/// The layer's metrics and its part of the snapshot, with Redis running and with Redis stopped.
#[tokio::test]
async fn inspection_and_metrics_report_redis_state() {
    for kind in ["pubsub", "core"] {
        let redis = RedisServer::start();
        let layer = match kind {
            "pubsub" => ChannelLayer::redis_pubsub(&[redis.url()]).await.unwrap(),
            _ => ChannelLayer::redis_core(&[redis.url()]).await.unwrap(),
        };
        let channels = Channels::builder().layer(layer).build().unwrap();
        let layer = channels.channel_layer();
        let before = recorded(&channels)["channels_layer_seconds_count"];
        layer.ready(Duration::from_secs(10)).await.unwrap();
        let after = recorded(&channels);
        assert!(after["channels_layer_seconds_count"] > before, "a message went to Redis and was answered");
        assert_eq!(after["channels_layer_seconds_bucket +Inf"], after["channels_layer_seconds_count"]);
        assert!(after["channels_layer_seconds_sum"] > 0.0);
        let look = channels.inspect().layer;
        assert_eq!((look.kind, look.servers, look.connected), (kind, 1, true));

        drop(redis);
        let begun = std::time::Instant::now();
        while channels.inspect().layer.connected {
            assert!(begun.elapsed() < Duration::from_secs(20), "the lost connection to Redis is detected");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(channels.inspect().stats.layer.gaps, 1);
        layer.close().await;
    }
}
