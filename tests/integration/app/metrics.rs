//! Metrics: the page for Prometheus, the Grafana dashboard, and the table in docs/observability.md.

use std::collections::BTreeSet;
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use warp::Filter;

use crate::app::source::file;
use crate::support::app::Server;
use crate::support::client::{handshake, send_request};
use crate::support::recorder::recorded;

#[event("watched.said")]
struct Said {
    text: String,
}

#[event("watched.rung")]
struct Rung {
    times: u32,
}

#[group("watched", events(Said, Rung))]
struct Watched;

#[derive(serde::Deserialize)]
struct Say {
    text: String,
}

struct WatchedConsumer;

#[consumer]
impl WatchedConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        if cx.scope().query_string() == Some("no=1") {
            return Err(Reject::forbidden());
        }
        cx.group_add(&Watched).await?;
        Ok(Self)
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {
        metrics::counter!("shop_orders_total").increment(1);
        cx.group_send(&Watched, &Said { text: say.text }).await
    }

    #[handler("watched.said")]
    fn said(event: &Said) -> String {
        event.text.clone()
    }

    #[handler("watched.rung")]
    async fn rung(&mut self, cx: &mut Context<Self>, event: &Rung) -> Result<()> {
        cx.send_text(format!("rung {}", event.times)).await
    }
}

/// A page of Prometheus metrics.
struct Page(String);

impl Page {
    async fn request(address: std::net::SocketAddr) -> Self {
        let response = send_request(address, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self(response.body().await)
    }

    /// Returns the series with their values.
    fn series(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(series, value)| (series, value.parse().unwrap()))
    }

    /// Returns the value of a series. The order of the labels does not matter.
    fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let is_it = |series: &str| {
            let (its_name, its_labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
            let its_labels: BTreeSet<_> = its_labels.split(',').filter(|label| !label.is_empty()).collect();
            its_name == name && its_labels == labels.iter().copied().collect()
        };
        self.series().find(|(series, _)| is_it(series)).map(|(_, value)| value)
    }

    fn names(&self) -> BTreeSet<String> {
        let ours = self.series().filter(|(series, _)| series.starts_with("channels_"));
        ours.map(|(series, _)| series.split('{').next().unwrap().to_owned()).collect()
    }
}

/// Returns the names of all metrics in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("channels_") && *word != "channels_runtime").map(str::to_owned).collect()
}

#[tokio::test]
async fn metrics_page_matches_dashboard_and_documentation() {
    let channels = Channels::builder().contracts(["watched-5c1f0a9e", "watched-04f7bb21"]).build().unwrap();
    let routes = channels.route::<WatchedConsumer>(warp::path!("ws")).or(channels.metrics());
    let server = Server::start(&channels, routes).await;
    let address = server.address;

    let refused = send_request(address, &handshake("/ws?no=1", &format!("Host: {address}\n"))).await;
    assert_eq!(refused.status, 403);
    let (mut one, _) =
        tokio_tungstenite::connect_async(format!("ws://{address}/ws?contract=watched-5c1f0a9e")).await.unwrap();
    let (mut two, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
    one.send(Message::text(r#"{"type": "say", "text": "hi"}"#)).await.unwrap();
    one.send(Message::text(r#"{"type": "shout"}"#)).await.unwrap();
    assert_eq!(one.next().await.unwrap().unwrap(), Message::text("hi"));
    assert_eq!(two.next().await.unwrap().unwrap(), Message::text("hi"));
    assert!(one.next().await.unwrap().unwrap().to_text().unwrap().contains("unknown_command"));
    channels.channel_layer().group_send(&Watched, &Rung { times: 3 }).await.unwrap();
    assert_eq!(one.next().await.unwrap().unwrap(), Message::text("rung 3"));
    assert_eq!(two.next().await.unwrap().unwrap(), Message::text("rung 3"));
    let nobodys = serde_json::json!({"type": "watched.unknown"});
    channels.channel_layer().group_send_raw("watched", nobodys).await.unwrap();
    // Both handlers have ended when their connections have answered these pings.
    for client in [&mut one, &mut two] {
        client.send(Message::Ping("over?".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("over?".into()));
    }

    let page = Page::request(address).await;
    let consumer = r#"consumer="WatchedConsumer""#;
    for (name, labels, expected) in [
        ("channels_connections", &[] as &[&str], 2.0),
        ("channels_contract_connections", &[r#"contract="watched-5c1f0a9e""#], 1.0),
        ("channels_contract_connections", &[r#"contract="watched-04f7bb21""#], 0.0),
        ("channels_contract_connections", &[r#"contract="other""#], 0.0),
        ("channels_contract_connections", &[r#"contract="none""#], 1.0),
        ("channels_handshakes_total", &[r#"outcome="accepted""#], 2.0),
        ("channels_handshakes_total", &[r#"outcome="rejected""#], 1.0),
        ("channels_handshakes_total", &[r#"outcome="wrong_origin""#], 0.0),
        ("channels_messages_delivered_total", &[], 4.0),
        ("channels_messages_dropped_total", &[r#"reason="unhandled""#], 1.0),
        ("channels_messages_dropped_total", &[r#"reason="full""#], 0.0),
        ("channels_events_sent_total", &[r#"event="watched.said""#], 1.0),
        ("channels_events_sent_total", &[r#"event="watched.rung""#], 1.0),
        // Once per kind of consumer, not per instance.
        ("channels_events_received_total", &[consumer, r#"event="watched.said""#], 1.0),
        ("channels_commands_refused_total", &[consumer, r#"code="unknown_command""#], 1.0),
        // The handler without `self` runs once for both members.
        ("channels_handler_seconds_count", &[consumer, r#"at="handler""#], 3.0),
        ("channels_handler_seconds_count", &[consumer, r#"at="receive""#], 2.0),
        ("channels_handler_seconds_bucket", &[consumer, r#"at="receive""#, r#"le="+Inf""#], 2.0),
        // The application's own counter.
        ("shop_orders_total", &[], 1.0),
    ] {
        assert_eq!(page.value(name, labels), Some(expected), "{name} {labels:?} of\n{}", page.0);
    }
    // The program, the collector and the snapshot use one list of statistics.
    let stats = channels.stats();
    assert_eq!((stats.admitted, stats.handshakes.accepted, stats.handshakes.rejected), (2, 2, 1));
    assert_eq!((stats.connections.refused, stats.layer.delivered, stats.layer.unhandled), (1, 4, 1));
    let shown = serde_json::to_value(stats).unwrap();
    for part in ["handshakes", "connections", "layer", "jobs"] {
        for (figure, value) in shown[part].as_object().unwrap() {
            // Reported by its code.
            if figure == "refused" {
                continue;
            }
            let label = format!(r#"="{}"}}"#, figure.trim_start_matches("dropped_"));
            let value = value.as_u64().unwrap() as f64;
            let by_name = format!("_{figure}_total");
            let mut told = page.series().filter(|(series, _)| series.ends_with(&label) || series.contains(&by_name));
            assert!(told.any(|(_, told)| told == value), "{part}.{figure} is {value}, on\n{}", page.0);
        }
    }
    let unknown = page.series().find(|(series, _)| series.contains("watched.unknown"));
    assert_eq!(unknown, None, "an unknown event is not a label");
    let took = page.value("channels_handler_seconds_sum", &[consumer, r#"at="handler""#]).unwrap();
    assert!(took > 0.0 && took < 60.0, "{took} s for three calls");

    let dashboard: serde_json::Value = serde_json::from_str(&file("docs/grafana.json")).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let names = names_in(target["expr"].as_str().unwrap());
            assert!(!names.is_empty(), "{target} uses a metric of this crate");
            asked.extend(names);
        }
    }
    let there = page.names();
    assert_eq!(
        asked.difference(&there).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "the dashboard uses metrics that do not exist"
    );
    assert_eq!(names_in(&file("docs/observability.md")), there, "the documentation lists exactly the exported metrics");
    for name in &there {
        assert!(page.0.contains(&format!("# HELP {name} ")), "the page describes {name}");
    }

    drop((one, two));
    server.stop().await;
}

#[event("slow.rendered")]
struct Rendered {}

#[event("slow.plain")]
struct Plain {}

#[event("slow.awaited")]
struct Awaited {}

#[event("slow.job")]
struct Job {}

#[group("slow", events(Rendered, Plain, Awaited))]
struct Slow;

const TAKES: Duration = Duration::from_millis(20);

/// A consumer with each kind of method. Each method takes this long.
struct SlowConsumer;

#[consumer]
impl SlowConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Slow).await?;
        Ok(Self)
    }

    #[receive(blocking)]
    fn receive(&mut self, cx: &mut Context<Self>, text: String) -> Result<()> {
        std::thread::sleep(TAKES);
        cx.block_on(async |cx| cx.send_text(text).await)
    }

    #[handler("slow.rendered")]
    fn rendered(_: &Rendered) -> String {
        std::thread::sleep(TAKES);
        "rendered".into()
    }

    #[handler("slow.plain")]
    fn plain(&mut self, _: &mut Context<Self>, _: &Plain) {
        std::thread::sleep(TAKES);
    }

    #[handler("slow.awaited")]
    async fn awaited(&mut self, cx: &mut Context<Self>, _: &Awaited) -> Result<()> {
        tokio::time::sleep(TAKES).await;
        cx.send_text("awaited").await
    }
}

#[derive(Default)]
struct SlowJobConsumer;

#[consumer]
impl SlowJobConsumer {
    #[handler("slow.job", blocking)]
    fn job(&mut self, cx: &mut Context<Self>, _: &Job) -> Result<()> {
        std::thread::sleep(TAKES);
        cx.block_on(async |cx| cx.group_send(&Slow, &Rendered {}).await)
    }
}

#[tokio::test]
async fn metrics_measure_the_time_of_every_kind_of_method() {
    let channels = Channels::builder().build().unwrap();
    // The times are measured from the first recording on.
    recorded(&channels);
    let mut client = WebsocketCommunicator::new(channels.route::<SlowConsumer>(warp::path!("ws")), "/ws");
    client.connect().await.unwrap();
    let layer = channels.channel_layer();
    client.send_to("blocking").await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "blocking");
    layer.group_send(&Slow, &Rendered {}).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "rendered");
    layer.group_send(&Slow, &Plain {}).await.unwrap();
    layer.group_send(&Slow, &Awaited {}).await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "awaited");

    let worker = channels.worker::<SlowJobConsumer>("slow-jobs");
    let job_done = async {
        let name = ChannelName::<SlowJobConsumer>::of_worker("slow-jobs").unwrap();
        while layer.channels_here() < 2 {
            tokio::task::yield_now().await;
        }
        layer.send(&name, &Job {}).await.unwrap();
        assert_eq!(client.receive_text_from().await.unwrap(), "rendered");
    };
    worker.run_until(job_done).await.unwrap();
    client.disconnect(CloseCode::NORMAL).await.unwrap();

    let recorded = recorded(&channels);
    for (consumer, at, calls) in
        [("SlowConsumer", "handler", 4.0), ("SlowConsumer", "receive", 1.0), ("SlowJobConsumer", "handler", 1.0)]
    {
        let value = |name: &str| recorded.get(&format!("channels_handler_seconds_{name} {consumer} {at}")).copied();
        assert_eq!(value("count"), Some(calls), "{consumer} {at} of {recorded:#?}");
        let took = value("sum").unwrap();
        assert!(took >= calls * TAKES.as_secs_f64(), "{calls} calls of {consumer} {at} took {took} s");
    }
}
