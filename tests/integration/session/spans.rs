//! Spans: the connection and the call that a log record of a consumer belongs to.

use std::collections::{BTreeMap, BTreeSet};

use channels_runtime::prelude::*;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::app::source::file;
use crate::support::app::Server;
use crate::support::log::Log;

/// Returns the spans of the source with their level and fields. Several calls with one name are one span.
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
        assert_eq!(span.0, level, "one level per name");
        span.1.extend(fields);
    }
    spans
}

#[test]
fn documentation_lists_every_span_and_its_fields() {
    let there = spans_of(&file("channels-runtime/src/session/spans.rs"));
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

/// Logs the name of each method. Its names do not depend on methods that a `#[cfg]` removes.
struct SpokenConsumer;

#[consumer]
impl SpokenConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        tracing::info!("in connect");
        cx.group_add(&Speakers).await?;
        Ok(Self)
    }

    #[cfg(any())]
    #[receive("never")]
    fn never(&mut self, _: &mut Context<Self>, _: Nothing) {}

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Word) -> Result<()> {
        // The span is also active after the call has waited.
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

    #[cfg(any())]
    #[handler("spoken.never")]
    fn spoken_never(&mut self, _: &mut Context<Self>, _: &Nothing) {}

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

/// Runs one connection and returns what is logged with this filter: for each message the text before it, without the time.
async fn spoken(filter: &str) -> BTreeMap<String, String> {
    let log = Log::default();
    let kept = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || kept.clone());
    let subscriber = subscriber.with_env_filter(filter).without_time().finish();
    let _listening = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let channels = Channels::builder().build().unwrap();
    let server = Server::start(&channels, channels.route::<SpokenConsumer>(warp::path!("ws"))).await;
    let address = server.address;
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws?token=secret")).await.unwrap();
    client.send(Message::text(r#"{"type": "say", "word": "private"}"#)).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("private"));
    client.send(Message::text(r#"{"type": "hush"}"#)).await.unwrap();
    assert!(client.next().await.unwrap().unwrap().is_close());
    drop(client);
    server.stop().await;
    let text = log.text();
    assert!(!text.contains("secret") && !text.contains("private"), "{text}");
    let lines = text.lines().filter_map(|line| line.split_once(" integration::session::spans: "));
    lines.map(|(before, message)| (message.to_owned(), before.trim().to_owned())).collect()
}

// A single-threaded runtime, so that the server logs in this thread.
#[tokio::test]
async fn span_identifies_connection_of_consumer_log() {
    let here = ["in connect", "in disconnect", "in hush", "in said", "in say", "in spawn"];
    let plain = spoken("info").await;
    assert_eq!(plain.keys().collect::<Vec<_>>(), here);
    assert!(plain.values().all(|before| before == "INFO"), "no spans unless enabled: {plain:#?}");

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
