//! Timers of a consumer. `session::termination` tests that they end with the connection.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels_runtime::Background;
use channels_runtime::layer::LayerConfig;
use channels_runtime::prelude::*;
use channels_runtime::testing::WebsocketCommunicator;
use serde::Deserialize;
use tokio::time::{Instant, advance};

use crate::support::app::user;
use crate::support::gate::Gate;
use crate::support::until::until;

#[event("timer.rang")]
pub(crate) struct Rang {
    pub(crate) name: String,
}

#[event("timer.shown")]
pub(crate) struct Shown {
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct Begin {
    pub(crate) how: String,
    pub(crate) name: String,
    pub(crate) ms: u64,
}

#[derive(Deserialize)]
pub(crate) struct Which {
    pub(crate) name: String,
}

/// State that a test shares with its consumers.
#[derive(Clone)]
pub(crate) struct Rig {
    /// The number of running tasks.
    pub(crate) running: Arc<AtomicUsize>,
    /// The handler waits here if the client requests it.
    pub(crate) gate: Arc<Gate>,
}

/// Counts as a running task until it is dropped.
pub(crate) struct Work(pub(crate) Arc<AtomicUsize>);

impl Work {
    pub(crate) fn new(rig: &Rig) -> Self {
        rig.running.fetch_add(1, SeqCst);
        Self(Arc::clone(&rig.running))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

pub(crate) struct TimerConsumer {
    pub(crate) rig: Rig,
    pub(crate) begun: Vec<(String, Background)>,
    pub(crate) waits: bool,
}

#[consumer]
impl TimerConsumer {
    #[connect]
    async fn connect(cx: &mut Context<Self>) -> Result<Self, Reject> {
        let rig = cx.scope().user::<Rig>().ok_or(Reject::unauthorized())?.clone();
        if cx.scope().header("x-refuse").is_some() {
            cx.after(Duration::from_secs(1), &Rang { name: "nobody".into() })?;
            cx.spawn(Self::work(Work::new(&rig), String::new()))?;
            return Err(Reject::forbidden());
        }
        if cx.scope().header("x-early").is_some() {
            cx.after(Duration::ZERO, &Rang { name: "early".into() })?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(Self { rig, begun: Vec::new(), waits: false })
    }

    #[receive("begin")]
    async fn begin(&mut self, cx: &mut Context<Self>, begin: Begin) -> Result<()> {
        let (after, name) = (Duration::from_millis(begin.ms), begin.name);
        let begun = match begin.how.as_str() {
            "after" => cx.after(after, &Rang { name: name.clone() }),
            "every" => cx.every(after, &Rang { name: name.clone() }),
            "shows" => cx.after(after, &Shown { name: name.clone() }),
            _ => cx.spawn(Self::work(Work::new(&self.rig), begin.how)),
        };
        match begun {
            Ok(background) => self.begun.push((name, background)),
            Err(error) => cx.send_text(error.to_string()).await?,
        }
        Ok(())
    }

    #[receive("cancel")]
    fn cancel(&mut self, _: &mut Context<Self>, which: Which) {
        let Which { name: wanted, .. } = which;
        self.begun.iter().filter(|(name, _)| *name == wanted).for_each(|(_, background)| background.cancel());
    }

    #[receive("living")]
    async fn living(&mut self, cx: &mut Context<Self>, _: Which) -> Result<()> {
        let living: Vec<_> = self.begun.iter().filter(|(_, it)| !it.is_finished()).map(|(name, _)| name).collect();
        cx.send_json(&living).await
    }

    #[receive("wait")]
    fn wait(&mut self, _: &mut Context<Self>, _: Which) {
        self.waits = true;
    }

    #[handler("timer.rang")]
    async fn rang(&mut self, cx: &mut Context<Self>, event: &Rang) -> Result<()> {
        if self.waits {
            self.rig.gate.pass().await;
        }
        cx.send_text(&event.name).await
    }

    #[handler("timer.shown")]
    fn shown(event: &Shown) -> String {
        event.name.clone()
    }

    #[handler("timer.told")]
    async fn told(&mut self, cx: &mut Context<Self>, _: &Told) -> Result<()> {
        cx.send_text("told").await
    }
}

#[event("timer.told")]
pub(crate) struct Told {}

impl TimerConsumer {
    pub(crate) async fn work(_work: Work, how: String) -> Result<()> {
        match how.as_str() {
            "panic" => panic!("as asked"),
            "fail" => Err(Error::msg("as asked")),
            "end" => Ok(()),
            _ => std::future::pending().await,
        }
    }
}

pub(crate) type Client = WebsocketCommunicator;

pub(crate) struct App {
    pub(crate) channels: Channels,
    pub(crate) rig: Rig,
}

impl App {
    /// A mailbox holds three events, and the heartbeat is off: a test advances the clock as it likes.
    pub(crate) fn new() -> Self {
        let rig = Rig { running: Arc::default(), gate: Arc::new(Gate::closed()) };
        let layer = ChannelLayer::in_memory_with(LayerConfig::default().capacity(3));
        let builder = Channels::builder().layer(layer).no_heartbeat();
        Self { channels: builder.authenticator(user(rig.clone())).build().unwrap(), rig }
    }

    pub(crate) fn new_client(&self) -> Client {
        WebsocketCommunicator::new(self.channels.route::<TimerConsumer>(warp::path!("ws")), "/ws")
    }

    pub(crate) async fn client(&self) -> Client {
        let mut client = self.new_client();
        client.connect().await.unwrap();
        client
    }

    /// Returns the number of running tasks.
    pub(crate) fn running(&self) -> usize {
        self.rig.running.load(SeqCst)
    }
}

pub(crate) async fn begin(client: &mut Client, how: &str, name: &str, ms: u64) {
    say(client, serde_json::json!({"type": "begin", "how": how, "name": name, "ms": ms})).await;
}

/// Sends a command and waits until it has been handled.
pub(crate) async fn say(client: &mut Client, what: serde_json::Value) {
    client.send_json_to(&what).await.unwrap();
    living(client).await;
}

/// Returns the names of the timers and tasks that have not ended.
pub(crate) async fn living(client: &mut Client) -> Vec<String> {
    client.send_json_to(&serde_json::json!({"type": "living", "name": ""})).await.unwrap();
    client.receive_json_from().await.unwrap()
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn timer_delivers_its_event_when_due() {
    let app = App::new();
    let mut client = app.client().await;
    begin(&mut client, "after", "second", 500).await;
    begin(&mut client, "after", "first", 300).await;
    begin(&mut client, "shows", "shown without a consumer", 700).await;
    let since = Instant::now();
    for (name, ms) in [("first", 300), ("second", 500), ("shown without a consumer", 700)] {
        assert_eq!(client.receive_text_from().await.unwrap(), name);
        assert_eq!(since.elapsed().as_millis().abs_diff(ms), 0, "{name}");
    }
    assert_eq!(living(&mut client).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn timer_repeats_until_cancelled() {
    let app = App::new();
    let mut client = app.client().await;
    begin(&mut client, "every", "tick", 400).await;
    let since = Instant::now();
    for round in 1..=5 {
        assert_eq!(client.receive_text_from().await.unwrap(), "tick");
        assert_eq!(since.elapsed().as_millis().abs_diff(400 * round), 0, "round {round}");
    }
    assert_eq!(living(&mut client).await, ["tick"]);
    say(&mut client, serde_json::json!({"type": "cancel", "name": "tick"})).await;
    assert_eq!(living(&mut client).await, Vec::<String>::new());
    advance(5 * SECOND).await;
    assert!(client.receive_nothing().await);
}

#[tokio::test(start_paused = true)]
async fn timer_cancelled_never_fires() {
    let app = App::new();
    let mut client = app.client().await;
    begin(&mut client, "after", "a", 300).await;
    begin(&mut client, "after", "b", 300).await;
    say(&mut client, serde_json::json!({"type": "cancel", "name": "a"})).await;
    assert_eq!(client.receive_text_from().await.unwrap(), "b");
    assert!(client.receive_nothing().await);
}

/// The driver ends with the last timer and starts again with the next one.
#[tokio::test(start_paused = true)]
async fn timer_started_after_last_one_ended_fires() {
    let app = App::new();
    let mut client = app.client().await;
    begin(&mut client, "after", "first", 300).await;
    assert_eq!(client.receive_text_from().await.unwrap(), "first");
    begin(&mut client, "after", "cancelled", 300).await;
    say(&mut client, serde_json::json!({"type": "cancel", "name": "cancelled"})).await;
    let since = Instant::now();
    begin(&mut client, "after", "last", 300).await;
    assert_eq!(client.receive_text_from().await.unwrap(), "last");
    assert_eq!(since.elapsed().as_millis(), 300);
}

/// Ten periods pass at once: one event arrives, and the next one after its period.
#[tokio::test(start_paused = true)]
async fn timer_skips_missed_periods() {
    let app = App::new();
    let mut client = app.client().await;
    begin(&mut client, "every", "tick", 400).await;
    let since = Instant::now();
    advance(Duration::from_millis(4100)).await;
    assert_eq!(client.receive_text_from().await.unwrap(), "tick");
    assert_eq!(client.receive_text_from().await.unwrap(), "tick");
    assert_eq!(since.elapsed().as_millis(), 4400);
}

#[tokio::test(start_paused = true)]
async fn timer_event_to_full_mailbox_is_counted() {
    let app = App::new();
    let mut client = app.client().await;
    say(&mut client, serde_json::json!({"type": "wait", "name": ""})).await;
    begin(&mut client, "every", "tick", 400).await;
    // One event is handled, three wait, and six find no space.
    for _ in 0..10 {
        advance(Duration::from_millis(400)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(app.channels.channel_layer().stats().dropped_full, 6);
    app.rig.gate.open(1000);
    for _ in 0..4 {
        assert_eq!(client.receive_text_from().await.unwrap(), "tick");
    }
    assert_eq!(app.channels.channel_layer().stats().dropped_full, 6);
}

/// An event that arrives before the consumer exists waits for it.
#[tokio::test(start_paused = true)]
async fn timer_started_in_connect_fires() {
    let app = App::new();
    let mut client = app.new_client().header("x-early", "yes");
    client.connect().await.unwrap();
    assert_eq!(client.receive_text_from().await.unwrap(), "early");
}

#[event("job.count")]
pub(crate) struct Count {
    pub(crate) to: u32,
    pub(crate) told: ChannelName,
}

#[event("job.counted")]
pub(crate) struct Counted {
    pub(crate) to: u32,
    pub(crate) told: ChannelName,
    pub(crate) panics: bool,
}

pub(crate) static TICKS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

#[derive(Default)]
pub(crate) struct CountingWorker {
    pub(crate) ticks: u32,
}

#[consumer]
impl CountingWorker {
    #[handler("job.count")]
    fn count(&mut self, cx: &mut Context<Self>, job: &Count) -> Result<()> {
        let event = Counted { to: job.to, told: job.told.clone(), panics: job.to == 0 };
        cx.every(Duration::from_millis(400), &event)?;
        Ok(())
    }

    #[handler("job.counted")]
    async fn counted(&mut self, cx: &mut Context<Self>, event: &Counted) -> Result<()> {
        assert!(!event.panics, "as asked");
        self.ticks += 1;
        TICKS.lock().unwrap().push(self.ticks);
        if self.ticks == event.to {
            cx.send_event(&event.told, &Told {}).await?;
        }
        Ok(())
    }
}

/// A timer of a worker delivers to the consumer that started it, and ends with that consumer when a job panics.
#[tokio::test(start_paused = true)]
async fn timer_of_worker_fires() {
    let channels = Channels::builder().layer(ChannelLayer::in_memory()).build().unwrap();
    let layer = channels.channel_layer();
    let told = layer.new_channel().await.unwrap();
    let worker = channels.worker::<CountingWorker>("counting");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let to = ChannelName::<CountingWorker>::of_worker("counting").unwrap();
    let run = worker.run_until(async { _ = stopped.await });
    let test = async {
        let job = |to| Count { to, told: told.name().clone() };
        // The channel exists once the worker has been polled.
        until("the worker is running", || layer.channels_here() == 3).await;
        layer.send(&to, &job(0)).await.unwrap();
        until("the job panics", || channels.stats().jobs.panicked == 1).await;
        layer.send(&to, &job(3)).await.unwrap();
        told.receive().await.unwrap();
        drop(stop);
    };
    let (ran, ()) = tokio::join!(run, test);
    ran.unwrap();
    assert_eq!(*TICKS.lock().unwrap(), [1, 2, 3]);
    // The first timer ended with the consumer that panicked, and never fired for the next one.
    assert_eq!(channels.stats().jobs.panicked, 1);
    advance(5 * SECOND).await;
    assert_eq!(layer.channels_here(), 1, "only the channel of the test remains");
}
