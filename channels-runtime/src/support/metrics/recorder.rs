//! The figures of an application, told to the `metrics` facade when somebody asks for them.
//!
//! Most are counted anyway, for [`Channels::stats`], and are only read here; which metric a figure is stands beside it. Three are counted for this page
//! alone, with the feature `metrics`, from the moment on that somebody first asks: events by name, refused commands, and how
//! long handlers take. Their labels are names in the program's source, so however hostile the clients are, there are no more
//! of them than the source has.

use std::collections::BTreeMap;
use std::sync::RwLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

use crate::support::counters::count;
use crate::support::sync::{read, write};

/// What a recorder is told: its name, the names of its labels, and what it is.
pub(crate) struct Metric {
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// It only grows.
    Counter,
    Gauge,
}

impl Metric {
    /// Tells the recorder how much it is now, for these values of the labels.
    pub(crate) fn tell(&self, values: &[&'static str], figure: u64) {
        match self.kind {
            Kind::Counter => counter!(self.name, self.labels(values)).absolute(figure),
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; there are not 2^53 connections")]
            Kind::Gauge => gauge!(self.name, self.labels(values)).set(figure as f64),
        }
    }

    fn tell_seconds(&self, values: &[&'static str], time: Duration) {
        gauge!(self.name, self.labels(values)).set(time.as_secs_f64());
    }

    fn labels(&self, values: &[&'static str]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), values.len(), "the labels of {}", self.name);
        self.labels.iter().zip(values).map(|(&name, &value)| Label::from_static_parts(name, value)).collect()
    }

    pub(crate) fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.help),
            Kind::Gauge => describe_gauge!(self.name, self.help),
        }
    }
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(crate) const $constant: Metric =
            Metric { kind: Kind::$kind, name: $name, labels: &[$($label),*], help: $help };)*
        pub(crate) const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    CONNECTIONS: Gauge "channels_connections" [] "Connections that are open.";
    PLACES_TAKEN: Gauge "channels_places_taken" []
        "Connections that are open or being connected, which is what limits count.";
    HANDSHAKES: Counter "channels_handshakes_total" ["outcome"] "Handshakes, by what became of them.";
    SOCKETS_DROPPED: Counter "channels_sockets_dropped_total" ["reason"]
        "Sockets that were dropped before they had sent a request.";
    CLOSED: Counter "channels_connections_closed_total" ["reason"]
        "Connections that the server closed, by reason.";
    THROTTLED: Counter "channels_throttled_total" []
        "How often a client that sent too much was not read from for a moment.";
    DELIVERED: Counter "channels_messages_delivered_total" []
        "Messages handed to a mailbox or an outbound queue.";
    DROPPED: Counter "channels_messages_dropped_total" ["reason"]
        "Messages that did not reach a consumer, by reason.";
    GAPS: Counter "channels_layer_gaps_total" [] "How often the connection of the channel layer was lost.";
    EVENTS_SENT: Counter "channels_events_sent_total" ["event"] "Typed events that were sent, by name.";
    EVENTS_RECEIVED: Counter "channels_events_received_total" ["consumer", "event"]
        "Events that came for a kind of consumer here.";
    COMMANDS_REFUSED: Counter "channels_commands_refused_total" ["consumer", "code"]
        "Frames of clients that were no command, by code.";
    JOBS: Counter "channels_jobs_total" ["outcome"] "WorkerQueue of workers, by what became of them.";
    MAILBOX_EVENTS: Gauge "channels_mailbox_events" [] "Events that wait for their consumers.";
    MAILBOX_EVENTS_MAX: Gauge "channels_mailbox_events_max" [] "Events in the fullest mailbox.";
    OUTBOUND_BYTES: Gauge "channels_outbound_bytes" [] "Bytes that wait for their clients.";
    OUTBOUND_BYTES_MAX: Gauge "channels_outbound_bytes_max" [] "Bytes for the client that most waits for.";
    HANDLER_BUCKET: Counter "channels_handler_seconds_bucket" ["consumer", "at", "le"]
        "How long calls of a consumer took, cumulated.";
    HANDLER_COUNT: Counter "channels_handler_seconds_count" ["consumer", "at"] "Calls of a consumer.";
    HANDLER_SUM: Gauge "channels_handler_seconds_sum" ["consumer", "at"]
        "How long calls of a consumer took together, in seconds.";
    LAYER_BUCKET: Counter "channels_layer_seconds_bucket" ["le"]
        "How long Redis took to answer what was sent in one write, cumulated.";
    LAYER_COUNT: Counter "channels_layer_seconds_count" [] "Round trips to Redis.";
    LAYER_SUM: Gauge "channels_layer_seconds_sum" [] "How long round trips to Redis took together, in seconds.";
}

/// Whether somebody asks for figures: a library that the program uses for other things may have brought the feature.
static WANTED: AtomicBool = AtomicBool::new(false);

/// From now on they are counted.
pub(crate) fn want() {
    WANTED.store(true, Relaxed);
}

pub(crate) fn are_wanted() -> bool {
    WANTED.load(Relaxed)
}

/// The values of the labels of one figure, in the order of its names.
pub(crate) type Values = [&'static str; 2];

/// Events that were encoded to be sent, by name.
pub(crate) static SENT: Table<AtomicU64> = Table::new();

/// Events that came for a kind of consumer and fitted a handler's payload: by consumer, and name.
pub(crate) static RECEIVED: Table<AtomicU64> = Table::new();

/// Frames of clients that were no command: by consumer, and code.
pub(crate) static REFUSED: Table<AtomicU64> = Table::new();

/// How long handlers took: by consumer, and attribute.
pub(crate) static TIMES: Table<Times> = Table::new();

/// How long Redis took to answer.
pub(crate) static ROUND_TRIPS: Times = Times::new();

/// Up to how long a handler takes to be counted in the bucket of this name, which is in seconds.
const BUCKETS: [(Duration, &str); 9] = [
    (Duration::from_micros(100), "0.0001"),
    (Duration::from_micros(500), "0.0005"),
    (Duration::from_millis(1), "0.001"),
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(500), "0.5"),
    (Duration::from_millis(2500), "2.5"),
    (Duration::from_secs(10), "10"),
];

/// A figure for each value of its labels. Bound: the names in the program's source. The figures are of the process, because
/// an event is encoded and decoded where no application is known.
pub(crate) struct Table<T>(RwLock<BTreeMap<Values, T>>);

impl<T: Default> Table<T> {
    const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    fn with(&self, values: Values, change: impl Fn(&T)) {
        if let Some(figure) = read(&self.0).get(&values) {
            return change(figure);
        }
        change(write(&self.0).entry(values).or_default());
    }

    pub(crate) fn each(&self, mut tell: impl FnMut(Values, &T)) {
        for (values, figure) in &*read(&self.0) {
            tell(*values, figure);
        }
    }
}

/// An event was encoded to be sent.
pub(crate) fn sent(event: &'static str) {
    if are_wanted() {
        SENT.with([event, ""], count);
    }
}

/// An event came for this kind of consumer.
pub(crate) fn received(consumer: &'static str, event: impl FnOnce() -> Option<&'static str>) {
    if are_wanted()
        && let Some(event) = event()
    {
        RECEIVED.with([consumer, event], count);
    }
}

/// A client's frame was no command.
pub(crate) fn refused(consumer: &'static str, code: &'static str) {
    if are_wanted() {
        REFUSED.with([consumer, code], count);
    }
}

/// How long something took, in buckets.
pub(crate) struct Times {
    /// Calls for each of [`BUCKETS`] and no bucket before it; the last took longer than all.
    calls: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Times {
    const fn new() -> Self {
        Self { calls: [const { AtomicU64::new(0) }; BUCKETS.len() + 1], nanoseconds: AtomicU64::new(0) }
    }

    fn add(&self, took: Duration) {
        let bucket = BUCKETS.iter().position(|(bound, _)| took <= *bound).unwrap_or(BUCKETS.len());
        count(&self.calls[bucket]);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// As the three series of a histogram of Prometheus: the facade has no histogram that can be set, only one that keeps
    /// every single value until somebody comes for it.
    pub(crate) fn tell(&self, [bucket, count, sum]: [&Metric; 3], values: &[&'static str]) {
        let bounds = BUCKETS.iter().map(|&(_, name)| name).chain(["+Inf"]);
        let mut calls = 0;
        for (bound, in_bucket) in bounds.zip(&self.calls) {
            calls += in_bucket.load(Relaxed);
            bucket.tell(&[values, &[bound]].concat(), calls);
        }
        count.tell(values, calls);
        sum.tell_seconds(values, Duration::from_nanos(self.nanoseconds.load(Relaxed)));
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// Redis has answered what was sent to it in one write.
#[cfg(feature = "redis")]
pub(crate) fn round_trip(took: Duration) {
    ROUND_TRIPS.add(took);
}

/// The start of a call. Empty if no exporter asks how long calls take.
pub(crate) struct Began(Option<Instant>);

/// Returns the start of a call that begins now.
pub(crate) fn begun() -> Began {
    Began(are_wanted().then(Instant::now))
}

impl Began {
    /// Returns a guard that records the time of the call when it is dropped.
    pub(crate) fn timing(self, consumer: &'static str, attribute: &'static str) -> Option<Timing> {
        self.0.map(|began| Timing { values: [consumer, attribute], began })
    }
}

/// Records how long a call took when it is dropped, so that a handler that panics is counted too.
pub(crate) struct Timing {
    values: Values,
    began: Instant,
}

impl Drop for Timing {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        TIMES.with(self.values, |times| times.add(took));
    }
}

/// Measures a call from its start: a method that is not `async` is done before its future exists. The call is boxed once more
/// only if it is measured, so that an idle connection carries no memory for it.
pub(crate) fn timed<'a, T: Send + 'a>(
    consumer: &'static str,
    attribute: &'static str,
    began: Began,
    call: BoxFuture<'a, T>,
) -> BoxFuture<'a, T> {
    let Some(timing) = began.timing(consumer, attribute) else { return call };
    Box::pin(async move {
        let _timing = timing;
        call.await
    })
}
