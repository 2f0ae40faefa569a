//! Requests over the layer and their replies, from one process to another, on every layer.

use std::time::Duration;

use channels_runtime::ReplyTo;
use channels_runtime::error::{DecodeError, LayerError};
use channels_runtime::layer::Untyped;
use channels_runtime::prelude::*;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::layers::Two;
use crate::support::until::until;

/// Time limit for a reply on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

#[event("report.build")]
struct ReportBuild {
    id: u32,
    how: String,
    reply_to: ReplyTo<ReportBuilt>,
}

#[event("report.built")]
#[derive(Debug, PartialEq)]
struct ReportBuilt {
    id: u32,
}

#[event("report.failed")]
struct ReportFailed {
    reason: String,
}

/// Sends all delayed replies.
#[event("report.release")]
struct ReportRelease {}

#[group("reporters", events(ReportRelease))]
struct Reporters;

struct ReportConsumer {
    kept: Vec<(u32, ReplyTo<ReportBuilt>)>,
}

#[consumer]
impl ReportConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        cx.group_add(&Reporters).await?;
        Ok(Self { kept: Vec::new() })
    }

    #[handler("report.build")]
    async fn build(&mut self, cx: &mut Context<Self>, event: &ReportBuild) -> Result<()> {
        let ReportBuild { id, ref how, ref reply_to } = *event;
        let raw = reply_to.channel_name();
        match how.as_str() {
            "keep" => self.kept.push((id, reply_to.clone())),
            "fail" => cx.send_event(raw, &ReportFailed { reason: "no paper".into() }).await?,
            "mumble" => cx.channel_layer().send_raw(raw.as_str(), json!({"type": "report.built", "id": "x"})).await?,
            "twice" => {
                cx.reply(reply_to, &ReportBuilt { id }).await?;
                cx.reply(reply_to, &ReportBuilt { id: id + 1 }).await?;
            }
            _ => cx.reply(reply_to, &ReportBuilt { id }).await?,
        }
        Ok(())
    }

    #[handler("report.release")]
    async fn release(&mut self, cx: &mut Context<Self>, _event: &ReportRelease) -> Result<()> {
        for (id, reply_to) in self.kept.drain(..) {
            cx.reply(&reply_to, &ReportBuilt { id }).await?;
        }
        Ok(())
    }
}

/// A worker in the other process.
struct Reporter {
    channels: Channels,
    running: JoinHandle<Result<()>>,
}

impl Reporter {
    async fn start(layer: &ChannelLayer) -> Self {
        let channels = Channels::builder().layer(layer.clone()).build().unwrap();
        let worker = channels.worker::<ReportConsumer>("reports");
        let running = tokio::spawn(async move { worker.run_until(std::future::pending()).await });
        // The worker has joined its group when it takes jobs.
        until("the worker is running", || layer.members_here(&Reporters).unwrap() == 1).await;
        Self { channels, running }
    }

    async fn stop(self) {
        assert!(self.channels.shutdown(PATIENCE).await);
        self.running.await.unwrap().unwrap();
    }
}

fn reports() -> ChannelName<ReportConsumer> {
    ChannelName::of_worker("reports").unwrap()
}

async fn ask(layer: &ChannelLayer, how: &str, id: u32) -> Result<ReportBuilt, LayerError> {
    let question = |reply_to| ReportBuild { id, how: how.into(), reply_to };
    layer.request(&reports(), PATIENCE, question).await
}

async fn request_gets_its_own_reply(two: Two) {
    let reporter = Reporter::start(&two.there).await;
    let before = two.here.channels_here();
    let asked = (0..30).map(|id| ask(&two.here, "build", id));
    let answers = futures_util::future::join_all(asked).await;
    for (id, answer) in (0..30).zip(answers) {
        assert_eq!(answer.unwrap(), ReportBuilt { id });
    }
    assert_eq!(two.here.channels_here(), before, "no channel of a request remains");
    reporter.stop().await;
}

async fn reply_of_another_type_is_an_error(two: Two) {
    let reporter = Reporter::start(&two.there).await;
    let error = ask(&two.here, "fail", 1).await.unwrap_err();
    assert_eq!(error.to_string(), "the reply of channel `reports` does not fit the request");
    let LayerError::WrongReply { source: DecodeError::Unexpected { event, wanted, .. }, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!((event.as_str(), wanted), ("report.failed", "report.built"));
    let error = ask(&two.here, "mumble", 1).await.unwrap_err();
    let LayerError::WrongReply { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.field(), Some("id"), "{source}");
    // The worker and the requester go on.
    assert_eq!(ask(&two.here, "build", 2).await.unwrap(), ReportBuilt { id: 2 });
    reporter.stop().await;
}

async fn late_reply_is_counted_and_ignored(two: Two) {
    let reporter = Reporter::start(&two.there).await;
    let before = two.here.channels_here();
    let question = |reply_to| ReportBuild { id: 1, how: "keep".into(), reply_to };
    let error = two.here.request(&reports(), Duration::from_millis(50), question).await.unwrap_err();
    assert_eq!(error.to_string(), "no `report.built` came from channel `reports` within 50ms");
    // Cancelled while in flight.
    let mut given_up = Box::pin(ask(&two.here, "keep", 2));
    assert!(futures_util::poll!(&mut given_up).is_pending());
    drop(given_up);
    assert_eq!(two.here.channels_here(), before, "no channel of a request remains");
    // The earlier requests have arrived when this one gets its reply.
    assert_eq!(ask(&two.here, "build", 3).await.unwrap(), ReportBuilt { id: 3 });
    two.here.group_send(&Reporters, &ReportRelease {}).await.unwrap();
    let unread = || two.here.stats().unread.max(two.there.stats().unread);
    until("a late reply is counted", || unread() >= 1).await;
    assert_eq!(ask(&two.here, "build", 4).await.unwrap(), ReportBuilt { id: 4 });
    // The first of two replies counts, and the second reaches no other request.
    assert_eq!(ask(&two.here, "twice", 5).await.unwrap(), ReportBuilt { id: 5 });
    assert_eq!(ask(&two.here, "build", 6).await.unwrap(), ReportBuilt { id: 6 });
    reporter.stop().await;
}

async fn blocking_request_from_plain_thread_gets_reply(two: Two) {
    let reporter = Reporter::start(&two.there).await;
    let (here, there) = (two.here.blocking(), two.there.blocking());
    let before = two.here.channels_here();
    let asked = std::thread::spawn(move || {
        // Also from the worker's own process.
        for (id, layer) in (0..4).zip([&here, &there].into_iter().cycle()) {
            let question = |reply_to| ReportBuild { id, how: "build".into(), reply_to };
            assert_eq!(layer.request(&reports(), PATIENCE, question).unwrap(), ReportBuilt { id });
        }
        let question = |reply_to| ReportBuild { id: 4, how: "fail".into(), reply_to };
        let error = here.request(&reports(), PATIENCE, question).unwrap_err();
        assert!(matches!(error, LayerError::WrongReply { .. }), "{error}");
        let question = |reply_to| ReportBuild { id: 5, how: "keep".into(), reply_to };
        let error = here.request(&reports(), Duration::from_millis(20), question).unwrap_err();
        assert!(matches!(error, LayerError::NoReply { event: "report.built", .. }), "{error}");
    });
    tokio::task::spawn_blocking(|| asked.join()).await.unwrap().unwrap();
    assert_eq!(two.here.channels_here(), before, "no channel of a request remains");

    let question = |reply_to: ReplyTo<ReportBuilt>| ReportBuild { id: 6, how: "build".into(), reply_to };
    let error = two.here.blocking().request(&reports(), PATIENCE, question).unwrap_err();
    assert!(matches!(error, LayerError::BlockingInAsync), "{error}");
    reporter.stop().await;
}

async fn request_without_receiver_fails_at_deadline(two: Two) {
    let nobody: ChannelName<Untyped> = ChannelName::new("nobody").unwrap();
    let question = |reply_to: ReplyTo<ReportBuilt>| ReportBuild { id: 1, how: String::new(), reply_to };
    let error = two.here.request(&nobody, Duration::from_millis(20), question).await.unwrap_err();
    assert!(matches!(error, LayerError::NoReply { event: "report.built", .. }), "{error}");
    assert_eq!(two.here.channels_here(), 0);
    let (closed, asked) = tokio::join!(two.here.close(), async {
        // Before or after the close: a request on a closed layer does not wait.
        two.here.request(&nobody, PATIENCE, question).await
    });
    () = closed;
    assert!(matches!(asked, Err(LayerError::Closed)), "{asked:?}");
}

macro_rules! on_every_layer {
    ($($layer:ident),*: $tests:tt) => {
        $(mod $layer { on_every_layer!(@tests $layer $tests); })*
    };
    (@tests $layer:ident ($($test:ident),* $(,)?)) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::support::layers::$layer(channels_runtime::layer::LayerConfig::default()).await).await;
            }
        )*
    };
}

on_every_layer!(memory, pubsub, pubsub_sharded, core, core_sharded: (
    request_gets_its_own_reply,
    reply_of_another_type_is_an_error,
    late_reply_is_counted_and_ignored,
    blocking_request_from_plain_thread_gets_reply,
    request_without_receiver_fails_at_deadline,
));
