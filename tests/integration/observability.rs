//! What the process says about itself: the page for Prometheus, the dashboard and the page of the documentation that name
//! its figures, and the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;
use warp::Filter;

use crate::door::Log;
use crate::raw::{ask, handshake};
use crate::redis::RedisServer;

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
        if cx.scope().query_string().is_some() {
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

/// A page as Prometheus reads it.
struct Page(String);

impl Page {
    async fn ask(address: std::net::SocketAddr) -> Self {
        let mut answer = ask(address, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let mut text = String::new();
        answer.socket.read_to_string(&mut text).await.unwrap();
        Self(text)
    }

    /// The series, each with its value.
    fn series(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(series, value)| (series, value.parse().unwrap()))
    }

    /// The value of a series; its labels may be in any order.
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

/// The root of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every name of a figure in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("channels_") && *word != "channels_runtime").map(str::to_owned).collect()
}

#[tokio::test]
async fn prometheus_reads_what_happened_and_the_dashboard_asks_for_nothing_else() {
    let channels = Channels::builder().build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    let routes = channels.route::<WatchedConsumer>(warp::path!("ws")).or(channels.metrics());
    let serving = tokio::spawn(server.serve(routes));

    let refused = ask(address, &handshake("/ws?no=1", &format!("Host: {address}\n"))).await;
    assert_eq!(refused.status, 403);
    let (mut one, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.unwrap();
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
    // Both handlers are over when their connections have taken their turn after them.
    for client in [&mut one, &mut two] {
        client.send(Message::Ping("over?".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("over?".into()));
    }

    let page = Page::ask(address).await;
    let consumer = r#"consumer="WatchedConsumer""#;
    for (name, labels, expected) in [
        ("channels_connections", &[] as &[&str], 2.0),
        ("channels_handshakes_total", &[r#"outcome="accepted""#], 2.0),
        ("channels_handshakes_total", &[r#"outcome="rejected""#], 1.0),
        ("channels_handshakes_total", &[r#"outcome="wrong_origin""#], 0.0),
        ("channels_messages_delivered_total", &[], 4.0),
        ("channels_messages_dropped_total", &[r#"reason="unhandled""#], 1.0),
        ("channels_messages_dropped_total", &[r#"reason="full""#], 0.0),
        ("channels_events_sent_total", &[r#"event="watched.said""#], 1.0),
        ("channels_events_sent_total", &[r#"event="watched.rung""#], 1.0),
        // Once for the kind of consumer, not for each of the two.
        ("channels_events_received_total", &[consumer, r#"event="watched.said""#], 1.0),
        ("channels_commands_refused_total", &[consumer, r#"code="unknown_command""#], 1.0),
        // The one without `self` is one call for both members.
        ("channels_handler_seconds_count", &[consumer, r#"at="handler""#], 3.0),
        ("channels_handler_seconds_count", &[consumer, r#"at="receive""#], 2.0),
        ("channels_handler_seconds_bucket", &[consumer, r#"at="receive""#, r#"le="+Inf""#], 2.0),
        // What the application counts itself.
        ("shop_orders_total", &[], 1.0),
    ] {
        assert_eq!(page.value(name, labels), Some(expected), "{name} {labels:?} of\n{}", page.0);
    }
    // What a program reads, what a collector reads and what a page shows is one list.
    let stats = channels.stats();
    assert_eq!((stats.inside, stats.door.accepted, stats.door.rejected), (2, 2, 1));
    assert_eq!((stats.connections.refused, stats.layer.delivered, stats.layer.unhandled), (1, 4, 1));
    let shown = serde_json::to_value(stats).unwrap();
    for part in ["door", "connections", "layer", "jobs"] {
        for (figure, value) in shown[part].as_object().unwrap() {
            // Told by its code.
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
    assert_eq!(unknown, None, "what a stranger calls an event is no label");
    let took = page.value("channels_handler_seconds_sum", &[consumer, r#"at="handler""#]).unwrap();
    assert!(took > 0.0 && took < 60.0, "{took} s for three calls");

    let dashboard: serde_json::Value = serde_json::from_str(&file("docs/grafana.json")).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let names = names_in(target["expr"].as_str().unwrap());
            assert!(!names.is_empty(), "{target} asks for a figure of ours");
            asked.extend(names);
        }
    }
    let there = page.names();
    assert_eq!(asked.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "asked for, and not there");
    assert_eq!(names_in(&file("docs/observability.md")), there, "the documentation names each figure, and no other");
    for name in &there {
        assert!(page.0.contains(&format!("# HELP {name} ")), "the page says what {name} is");
    }

    drop((one, two));
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    serving.await.unwrap();
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

/// Every kind of method, each of which takes so long.
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
async fn whatever_kind_of_method_it_is_its_time_is_measured() {
    let channels = Channels::builder().build();
    let look = async || {
        let page = warp::test::request().path("/metrics").reply(&channels.metrics()).await;
        Page(String::from_utf8(page.body().to_vec()).unwrap())
    };
    // The times are counted from the first look on.
    look().await;
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

    let page = look().await;
    for (consumer, at, calls) in
        [("SlowConsumer", "handler", 4.0), ("SlowConsumer", "receive", 1.0), ("SlowJobConsumer", "handler", 1.0)]
    {
        let labels = [&*format!(r#"consumer="{consumer}""#), &*format!(r#"at="{at}""#)];
        assert_eq!(page.value("channels_handler_seconds_count", &labels), Some(calls), "{labels:?} of\n{}", page.0);
        let took = page.value("channels_handler_seconds_sum", &labels).unwrap();
        assert!(took >= calls * TAKES.as_secs_f64(), "{calls} calls of {labels:?} took {took} s");
    }
}

/// One record of the log: its level, its message, the names of its fields.
type Record = (String, String, BTreeSet<String>);

/// What the source logs.
fn records_of(source: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for call in source.split("tracing::").skip(1) {
        let Some((level, rest)) = call.split_once("!(") else { continue };
        if !["error", "warn", "info", "debug", "trace"].contains(&level) {
            continue;
        }
        let (fields, rest) = rest.split_once('"').expect("a message");
        let (message, _) = rest.split_once('"').expect("its end");
        let fields =
            fields.split(',').map(|field| field.split('=').next().unwrap().trim().trim_start_matches(['?', '%']));
        let fields = fields.filter(|field| !field.is_empty()).map(str::to_owned).collect();
        records.push((level.to_owned(), message.to_owned(), fields));
    }
    records
}

fn sources(folder: &Path, found: &mut Vec<Record>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.extend(records_of(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_documentation_names_every_record_of_the_log_and_its_fields() {
    let mut logged = Vec::new();
    sources(&root().join("channels-runtime/src"), &mut logged);
    assert!(logged.len() > 30, "{} records found", logged.len());
    let logged: BTreeSet<Record> = logged.into_iter().collect();
    let page = file("docs/observability.md");
    let levels = ["error", "warn", "info", "debug", "trace"];
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [level, message, fields] = cells[..] else { return None };
        levels.contains(&level).then(|| {
            let fields = fields.split(',').map(|field| field.trim().trim_matches('`').to_owned());
            (level.to_owned(), message.to_owned(), fields.filter(|field| !field.is_empty()).collect::<BTreeSet<_>>())
        })
    });
    let told: BTreeSet<Record> = rows.collect();
    let untold: Vec<_> = logged.difference(&told).collect();
    let never: Vec<_> = told.difference(&logged).collect();
    assert!(untold.is_empty() && never.is_empty(), "not in the documentation: {untold:#?}\nnot logged: {never:#?}");

    let (_, after) = page.split_once("| field |").expect("the table of fields");
    let known: BTreeSet<_> =
        after.lines().skip(2).map_while(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let used: BTreeSet<_> = logged.iter().flat_map(|(_, _, fields)| fields).map(String::as_str).collect();
    assert_eq!(used, known, "each field has a row, and each row is used");
}

/// The spans of the source: name, level, fields. Several calls of one name are one span.
fn spans_of(source: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut spans = BTreeMap::<String, (String, BTreeSet<String>)>::new();
    for call in source.split("tracing::").filter_map(|call| call.split_once("_span!(\n")) {
        let (level, rest) = call;
        // One line each: the target, the name, and then the fields.
        let mut lines = rest.lines().map(str::trim).skip(1);
        let name = lines.next().unwrap().trim_matches([',', '"']).to_owned();
        let fields =
            lines.take_while(|line| *line != ")").map(|line| line.split([' ', ',']).next().unwrap().to_owned());
        let span = spans.entry(name).or_insert_with(|| (level.to_owned(), BTreeSet::new()));
        assert_eq!(span.0, level, "one level for one name");
        span.1.extend(fields);
    }
    spans
}

#[test]
fn the_documentation_names_every_span_and_its_fields() {
    let there = spans_of(&file("channels-runtime/src/spans.rs"));
    assert_eq!(there.len(), 4, "{there:?}");
    let page = file("docs/observability.md");
    let (_, table) = page.split_once("| span | level |").expect("the table of spans");
    let rows = table.lines().skip(2).map_while(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [name, level, fields, _] = &cells[..] else { return None };
        Some((name.clone(), (level.clone(), fields.split(", ").map(str::to_owned).collect::<BTreeSet<_>>())))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), there);
}

#[event("spoken.said")]
struct Spoken {
    word: String,
}

#[group("spoken", events(Spoken))]
struct Speakers;

#[derive(serde::Deserialize)]
struct Word {
    word: String,
}

#[derive(serde::Deserialize)]
struct Nothing {}

/// Says in the log where it is.
struct SpokenConsumer;

#[consumer]
impl SpokenConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        tracing::info!("in connect");
        cx.group_add(&Speakers).await?;
        Ok(Self)
    }

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Word) -> Result<()> {
        // The span is there after the call has waited, too.
        tokio::task::yield_now().await;
        tracing::info!("in say");
        cx.spawn(async {
            tracing::info!("in spawn");
            Ok(())
        })?;
        cx.group_send(&Speakers, &Spoken { word: say.word }).await
    }

    #[receive("hush")]
    fn hush(&mut self, cx: &mut Context<Self>, _: Nothing) {
        tracing::info!("in hush");
        cx.close(CloseCode::NORMAL);
    }

    #[handler("spoken.said")]
    async fn said(&mut self, cx: &mut Context<Self>, event: &Spoken) -> Result<()> {
        tracing::info!("in said");
        cx.send_text(event.word.as_str()).await
    }

    #[disconnect]
    async fn disconnect(&mut self, _: &mut Context<Self>, _: CloseCode) {
        tracing::info!("in disconnect");
    }
}

/// One connection from its beginning to its end, and what is logged meanwhile with this filter: the words before each
/// message, without the time.
async fn spoken(filter: &str) -> BTreeMap<String, String> {
    let log = Log::default();
    let kept = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || kept.clone());
    let subscriber = subscriber.with_env_filter(filter).without_time().finish();
    let _listening = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let channels = Channels::builder().build();
    let server = channels.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    let serving = tokio::spawn(server.serve(channels.route::<SpokenConsumer>(warp::path!("ws"))));
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws?token=secret")).await.unwrap();
    client.send(Message::text(r#"{"type": "say", "word": "private"}"#)).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("private"));
    client.send(Message::text(r#"{"type": "hush"}"#)).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().is_close());
    drop(client);
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    serving.await.unwrap();
    let text = log.text();
    assert!(!text.contains("secret") && !text.contains("private"), "{text}");
    let lines = text.lines().filter_map(|line| line.split_once(" integration::observability: "));
    lines.map(|(before, message)| (message.to_owned(), before.trim().to_owned())).collect()
}

// One thread, so that the server logs in this one.
#[tokio::test]
async fn what_a_consumer_logs_says_whose_it_is() {
    let here = ["in connect", "in disconnect", "in hush", "in said", "in say", "in spawn"];
    let plain = spoken("info").await;
    assert_eq!(plain.keys().collect::<Vec<_>>(), here);
    assert!(plain.values().all(|before| before == "INFO"), "no spans unless they are asked for: {plain:#?}");

    let consumer = r#"consumer="SpokenConsumer""#;
    for (level, calls) in [("debug", false), ("trace", true)] {
        let within = spoken(&format!("info,channels_runtime::spans={level}")).await;
        assert_eq!(within.keys().collect::<Vec<_>>(), here);
        for (message, at) in [
            ("in connect", r#"at="connect""#),
            ("in say", r#"at="receive" command="say""#),
            ("in spawn", r#"at="receive" command="say""#),
            ("in hush", r#"at="receive" command="hush""#),
            ("in said", r#"at="handler" event="spoken.said""#),
            ("in disconnect", r#"at="disconnect""#),
        ] {
            let before = &within[message];
            let rest = before.strip_prefix(&format!("INFO connection{{{consumer} channel=\"")).expect(before);
            let (channel, rest) = rest.split_once(r#"" path="/ws" peer=127.0.0.1:"#).expect(before);
            assert!(channel.starts_with("specific"), "{before}");
            let (port, rest) = rest.split_once('}').unwrap();
            assert!(port.parse::<u16>().is_ok(), "{before}");
            let call = if calls { format!(":call{{{consumer} {at}}}:") } else { ":".to_owned() };
            assert_eq!(rest, call, "{message}");
        }
    }
}

/// Remembers what it is told: the counters as they are, the gauges as the bits of a float. The recorder of a page of
/// [`Channels::metrics`] may become that of the process, and the test above is about that one.
#[derive(Default)]
struct Told {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn cell(told: &Mutex<BTreeMap<String, Arc<AtomicU64>>>, key: &metrics::Key) -> Arc<AtomicU64> {
    let values: Vec<_> = key.labels().map(metrics::Label::value).collect();
    let name = [&[key.name()], &values[..]].concat().join(" ");
    Arc::clone(told.lock().unwrap().entry(name).or_default())
}

impl metrics::Recorder for Told {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(cell(&self.counters, key))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(cell(&self.gauges, key))
    }

    fn register_histogram(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        panic!("{key} is a histogram, which would keep every value")
    }
}

/// What a recorder is told: the name of a figure and the values of its labels, with a space between.
fn told(channels: &Channels) -> BTreeMap<String, f64> {
    let told = Told::default();
    metrics::with_local_recorder(&told, || channels.record_metrics());
    let counters = told.counters.into_inner().unwrap();
    let counters = counters.into_iter().map(|(name, figure)| (name, figure.load(Relaxed) as f64));
    let gauges = told.gauges.into_inner().unwrap();
    counters.chain(gauges.into_iter().map(|(name, figure)| (name, f64::from_bits(figure.load(Relaxed))))).collect()
}

struct StuckConsumer;

#[event("stuck.asked")]
struct Asked {
    answer: ChannelName,
}

#[group("inspected-{name}", events(Asked))]
struct Stuck {
    name: String,
}

/// It goes on when the test has looked at it.
static LOOKED_AT: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);

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
        LOOKED_AT.acquire().await?.forget();
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
async fn a_look_from_inside_tells_who_is_here_and_what_waits() {
    let channels = Channels::builder().outbound_limit(8 << 20).max_connections(50).build();
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
    assert_eq!((nothing.connections, nothing.waiting), (4, Default::default()));

    // One event is being handled, three wait; and three clients read nothing of what they are sent.
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
    assert_eq!((look.connections, look.stats.inside, look.stats.door.accepted), (4, 4, 4));
    let tasks = look.tasks.expect("this is one of the runtime's");
    assert!(tasks >= 4, "each connection is one: {tasks}");
    let outside = channels.clone();
    assert_eq!(std::thread::spawn(move || outside.inspect().tasks).join().unwrap(), None);
    assert_eq!((look.waiting.events, look.waiting.most_events), (3, 3));
    // The pipe to each client holds 64 KiB.
    let least = (1 << 20) - (64 << 10);
    assert!(look.waiting.most_bytes >= least && look.waiting.bytes >= 3 * least, "{:?}", look.waiting);
    assert_eq!((look.layer.kind, look.layer.servers, look.layer.connected), ("memory", 1, true));
    assert_eq!((look.layer.channels, look.layer.groups), (5, 32));
    assert_eq!(look.layer.largest_groups.len(), 20, "the others are only counted");
    let largest = look.layer.largest_groups.iter().map(|group| (group.name.as_str(), group.members));
    assert_eq!(
        largest.take(4).collect::<Vec<_>>(),
        [("inspected-shown", 3), ("anything-0", 1), ("anything-1", 1), ("anything-10", 1)],
        "the largest first, and then by name"
    );
    assert_eq!((look.settings.max_connections, look.settings.capacity), (50, 100));

    // 4 to the stuck consumer, 1 to each of the others, and the first of its answers.
    let passed = look.uptime - nothing.uptime;
    let rates = look.rates_since(&nothing);
    assert!((rates.delivered * passed.as_secs_f64() - 8.0).abs() < 1e-6, "{rates:?} in {passed:?}");
    assert_eq!((rates.accepted, rates.dropped), (0.0, 0.0));
    assert!((look.rates.accepted * look.uptime.as_secs_f64() - 4.0).abs() < 1e-6, "since the beginning");
    assert_eq!(look.rates_since(&look), Default::default(), "no time, no rate");

    let json = serde_json::to_value(&look).unwrap();
    assert_eq!(json["consumers"], serde_json::json!({"ShownConsumer": 3, "StuckConsumer": 1}));
    assert_eq!(json["layer"]["largest_groups"][0], serde_json::json!({"name": "inspected-shown", "members": 3}));
    assert_eq!((json["uptime"].is_number(), json["settings"]["expiry"].as_f64()), (true, Some(60.0)));

    // A collector is told the same.
    let figures = told(&channels);
    assert_eq!((figures["channels_mailbox_events"], figures["channels_mailbox_events_max"]), (3.0, 3.0));
    let (bytes, most) = (figures["channels_outbound_bytes"], figures["channels_outbound_bytes_max"]);
    assert!(most >= least as f64 && bytes >= 3.0 * least as f64, "{most} of {bytes}");

    LOOKED_AT.add_permits(4);
    drop((stuck, clients));
    assert!(channels.shutdown(Duration::from_secs(10)).await);
    let look = channels.inspect();
    assert_eq!((look.connections, look.consumers.len(), look.waiting), (0, 0, Default::default()));
    assert!(look.tasks.is_some_and(|left| left <= tasks - 4), "{:?} of {tasks} are left", look.tasks);
}

#[group("anything-{number}", events(Asked))]
struct Anything {
    number: u32,
}

/// The layer's figures, and what a look says of it, while Redis is there and when it is gone.
#[tokio::test]
async fn a_look_from_inside_and_the_figures_tell_of_redis() {
    for kind in ["pubsub", "core"] {
        let redis = RedisServer::start();
        let layer = match kind {
            "pubsub" => ChannelLayer::redis_pubsub(&[redis.url()]).await.unwrap(),
            _ => ChannelLayer::redis_core(&[redis.url()]).await.unwrap(),
        };
        let channels = Channels::builder().layer(layer).build();
        let layer = channels.channel_layer();
        let before = told(&channels)["channels_layer_seconds_count"];
        layer.ready(Duration::from_secs(10)).await.unwrap();
        let after = told(&channels);
        assert!(after["channels_layer_seconds_count"] > before, "a message went to Redis and was answered");
        assert_eq!(after["channels_layer_seconds_bucket +Inf"], after["channels_layer_seconds_count"]);
        assert!(after["channels_layer_seconds_sum"] > 0.0);
        let look = channels.inspect().layer;
        assert_eq!((look.kind, look.servers, look.connected), (kind, 1, true));

        drop(redis);
        let begun = std::time::Instant::now();
        while channels.inspect().layer.connected {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is noticed that Redis is gone");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(channels.inspect().stats.layer.gaps, 1);
        layer.close().await;
    }
}
