//! The metrics of an application, and the counters that only metrics need.
//!
//! Most metrics export the counters of [`Channels::stats`](crate::Channels::stats). The declaration of such a counter names its
//! metric. Three kinds of values are counted only in a program that exports metrics: events by name, refused commands, and the
//! durations of handlers. Their labels are names in the program's source, so clients cannot create labels.

use std::collections::BTreeMap;
use std::sync::RwLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

use crate::support::counters::count;
use crate::support::sync::{read, write};

/// A metric: its kind, its name, the names of its labels, and its help text.
pub(crate) struct Metric {
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// A value that only grows.
    Counter,
    /// A value that grows and shrinks.
    Gauge,
}

impl Metric {
    /// Sets the current value for these label values.
    pub(crate) fn set(&self, labels: &[&'static str], value: u64) {
        match self.kind {
            Kind::Counter => counter!(self.name, self.labels(labels)).absolute(value),
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; there are not 2^53 connections")]
            Kind::Gauge => gauge!(self.name, self.labels(labels)).set(value as f64),
        }
    }

    /// Sets the current value of a gauge with one label, whose value is a setting of the program.
    pub(crate) fn set_named(&self, value_of_label: &str, value: u64) {
        let labels: Vec<_> = self.labels.iter().map(|&name| Label::new(name, value_of_label.to_owned())).collect();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; there are not 2^53 connections")]
        gauge!(self.name, labels).set(value as f64);
    }

    fn set_seconds(&self, labels: &[&'static str], time: Duration) {
        gauge!(self.name, self.labels(labels)).set(time.as_secs_f64());
    }

    fn labels(&self, values: &[&'static str]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), values.len(), "the labels of {}", self.name);
        self.labels.iter().zip(values).map(|(&name, &value)| Label::from_static_parts(name, value)).collect()
    }

    /// Sends the help text to the recorder.
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
    CONNECTIONS: Gauge "channels_connections" [] "Open connections.";
    ADMITTED: Gauge "channels_places_taken" []
        "Open connections, and those that are still connecting; the limits count these.";
    CONTRACT_CONNECTIONS: Gauge "channels_contract_connections" ["contract"]
        "Open connections by the contract that the client announced.";
    HANDSHAKES: Counter "channels_handshakes_total" ["outcome"] "Handshakes by outcome.";
    FORWARD_AUTH: Counter "channels_forward_auth_total" ["outcome"]
        "Logins that a backend was asked about, by outcome.";
    BACKEND_CALLS: Counter "channels_backend_calls_total" ["outcome"] "Calls to the backend, by outcome.";
    BACKEND_REPEATED: Counter "channels_backend_repeated_total" [] "Attempts after the first of a call to the backend.";
    WEBHOOKS: Counter "channels_webhooks_total" ["outcome"] "Events for the webhooks of the backend, by outcome.";
    SOCKETS_DROPPED: Counter "channels_sockets_dropped_total" ["reason"]
        "Sockets dropped before they sent a request, by reason.";
    CLOSED: Counter "channels_connections_closed_total" ["reason"]
        "Connections closed by the server, by reason.";
    TICKETS_REFUSED: Counter "channels_tickets_refused_total" [] "Tickets that were refused.";
    THROTTLED: Counter "channels_throttled_total" []
        "Pauses in reading from a client that sent too much.";
    COMPRESSION_OFFERS: Counter "channels_compression_offers_total" ["outcome"]
        "Clients that offered compression, by outcome.";
    COMPRESSED: Counter "channels_compressed_messages_total" []
        "Messages compressed: one for all members of a group, or one reply.";
    COMPRESSED_BYTES: Counter "channels_compressed_bytes_total" ["form"]
        "Bytes of compressed messages, before (plain) and after (compressed).";
    NOT_SMALLER: Counter "channels_compression_vain_total" []
        "Messages whose compressed form was not smaller, so that they were sent plain.";
    INFLATED: Counter "channels_inflated_messages_total" [] "Compressed messages of clients.";
    INFLATED_BYTES: Counter "channels_inflated_bytes_total" [] "Bytes of the clients' compressed messages after inflating.";
    INFLATE_FAILED: Counter "channels_inflate_failed_total" ["reason"]
        "Connections closed because a message could not be inflated, by reason.";
    DELIVERED: Counter "channels_messages_delivered_total" []
        "Messages put into a mailbox or an outbound queue.";
    DROPPED: Counter "channels_messages_dropped_total" ["reason"]
        "Messages that did not reach a consumer, by reason.";
    RECOVERED: Counter "channels_layer_recovered_total" [] "Clients that came back and received everything that they had missed.";
    REPLAYED: Counter "channels_layer_replayed_total" [] "Kept messages that were sent again to clients that came back.";
    HISTORY_LOST: Counter "channels_layer_history_lost_total" []
        "Notices to clients that missed messages which no history has any more.";
    UNRECORDED: Counter "channels_layer_unrecorded_total" []
        "Messages to a group with a history that their sender did not write into it.";
    GAPS: Counter "channels_layer_gaps_total" [] "Losses of the connection to Redis.";
    CLOCK_OFF: Counter "channels_layer_clock_off_total" []
        "Times that the clocks of this process and of Redis began to differ by more than half of expiry.";
    EVENTS_SENT: Counter "channels_events_sent_total" ["event"] "Typed events encoded for sending, by name.";
    EVENTS_RECEIVED: Counter "channels_events_received_total" ["consumer", "event"]
        "Events decoded for a type of consumer, by name.";
    COMMANDS_REFUSED: Counter "channels_commands_refused_total" ["consumer", "code"]
        "Frames from clients that were not a command, by code.";
    JOBS: Counter "channels_jobs_total" ["outcome"] "Worker jobs by outcome.";
    PUBLISH_REQUESTS: Counter "channels_publish_requests_total" ["outcome"] "Requests of backends that publish over HTTP, by outcome.";
    PUBLISHED: Counter "channels_published_messages_total" [] "Messages that backends published over HTTP.";
    MAILBOX_EVENTS: Gauge "channels_mailbox_events" [] "Events in all mailboxes.";
    MAILBOX_EVENTS_MAX: Gauge "channels_mailbox_events_max" [] "Events in the fullest mailbox.";
    OUTBOUND_BYTES: Gauge "channels_outbound_bytes" [] "Bytes in all outbound queues.";
    OUTBOUND_BYTES_MAX: Gauge "channels_outbound_bytes_max" [] "Bytes in the largest outbound queue.";
    HANDLER_BUCKET: Counter "channels_handler_seconds_bucket" ["consumer", "at", "le"]
        "Calls of a consumer by duration, in cumulative buckets.";
    HANDLER_COUNT: Counter "channels_handler_seconds_count" ["consumer", "at"] "Number of calls of a consumer.";
    HANDLER_SUM: Gauge "channels_handler_seconds_sum" ["consumer", "at"]
        "Total duration of the calls of a consumer, in seconds.";
    LAYER_BUCKET: Counter "channels_layer_seconds_bucket" ["le"]
        "Round trips to Redis by duration, in cumulative buckets.";
    LAYER_COUNT: Counter "channels_layer_seconds_count" [] "Number of round trips to Redis.";
    LAYER_SUM: Gauge "channels_layer_seconds_sum" [] "Total duration of the round trips to Redis, in seconds.";
}

/// Set when the program starts to export metrics. The feature `metrics` alone does not imply that: another crate may enable it.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// Starts counting for metrics.
pub(crate) fn enable() {
    ENABLED.store(true, Relaxed);
}

fn is_enabled() -> bool {
    ENABLED.load(Relaxed)
}

/// The label values of one series, in the order of the label names.
pub(crate) type LabelValues = [&'static str; 2];

/// Events encoded for sending, by name.
pub(crate) static SENT: Table<AtomicU64> = Table::new();

/// Events decoded for a type of consumer, by consumer and name.
pub(crate) static RECEIVED: Table<AtomicU64> = Table::new();

/// Frames from clients that were not a command, by consumer and code.
pub(crate) static REFUSED: Table<AtomicU64> = Table::new();

/// Durations of calls, by consumer and attribute.
pub(crate) static CALLS: Table<Durations> = Table::new();

/// Durations of round trips to Redis.
pub(crate) static ROUND_TRIPS: Durations = Durations::new();

/// The buckets of a histogram: the longest duration of each bucket, and the value of its label `le` in seconds.
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

/// A value for each combination of label values. Bound: the names in the program's source.
///
/// The values belong to the process, because the code that encodes and decodes an event does not know the application.
pub(crate) struct Table<T>(RwLock<BTreeMap<LabelValues, T>>);

impl<T: Default> Table<T> {
    const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    fn update(&self, labels: LabelValues, change: impl Fn(&T)) {
        if let Some(value) = read(&self.0).get(&labels) {
            return change(value);
        }
        change(write(&self.0).entry(labels).or_default());
    }

    /// Calls `report` with each value.
    pub(crate) fn for_each(&self, mut report: impl FnMut(LabelValues, &T)) {
        for (labels, value) in &*read(&self.0) {
            report(*labels, value);
        }
    }
}

/// Counts an event that was encoded for sending.
pub(crate) fn sent(event: &'static str) {
    if is_enabled() {
        SENT.update([event, ""], count);
    }
}

/// Counts an event that was decoded for a type of consumer.
pub(crate) fn received(consumer: &'static str, event: impl FnOnce() -> Option<&'static str>) {
    if is_enabled()
        && let Some(event) = event()
    {
        RECEIVED.update([consumer, event], count);
    }
}

/// Counts a client's frame that was not a command.
pub(crate) fn refused(consumer: &'static str, code: &'static str) {
    if is_enabled() {
        REFUSED.update([consumer, code], count);
    }
}

/// A histogram of durations.
pub(crate) struct Durations {
    /// The number of durations in each of [`BUCKETS`], not cumulative. The last element counts longer durations.
    counts: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Durations {
    const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS.len() + 1], nanoseconds: AtomicU64::new(0) }
    }

    fn add(&self, duration: Duration) {
        let bucket = BUCKETS.iter().position(|(bound, _)| duration <= *bound).unwrap_or(BUCKETS.len());
        count(&self.counts[bucket]);
        self.nanoseconds.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Reports the three series of a Prometheus histogram.
    ///
    /// The histograms of the crate `metrics` are not used: they keep every value until an exporter reads it.
    pub(crate) fn report(&self, [bucket, count, sum]: [&Metric; 3], labels: &[&'static str]) {
        let bounds = BUCKETS.iter().map(|&(_, name)| name).chain(["+Inf"]);
        let mut total = 0;
        for (bound, count) in bounds.zip(&self.counts) {
            total += count.load(Relaxed);
            bucket.set(&[labels, &[bound]].concat(), total);
        }
        count.set(labels, total);
        sum.set_seconds(labels, Duration::from_nanos(self.nanoseconds.load(Relaxed)));
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::new()
    }
}

/// Records the duration of a round trip to Redis: from writing commands to reading their replies.
#[cfg(feature = "redis")]
pub(crate) fn round_trip(duration: Duration) {
    ROUND_TRIPS.add(duration);
}

/// The start of a call. `None` if the program does not export metrics.
pub(crate) struct CallStart(Option<Instant>);

/// Returns the start of a call that begins now.
pub(crate) fn start_call() -> CallStart {
    CallStart(is_enabled().then(Instant::now))
}

impl CallStart {
    /// Records the duration of a call that has ended.
    pub(crate) fn record(self, consumer: &'static str, attribute: &'static str) {
        drop(self.timing(consumer, attribute));
    }

    /// Returns a guard that records the duration of the call when it is dropped.
    pub(crate) fn timing(self, consumer: &'static str, attribute: &'static str) -> Option<Timing> {
        self.0.map(|start| Timing { labels: [consumer, attribute], start })
    }
}

/// A guard that records the duration of a call when it is dropped, so that a handler that panics is counted too.
pub(crate) struct Timing {
    labels: LabelValues,
    start: Instant,
}

impl Drop for Timing {
    fn drop(&mut self) {
        let duration = self.start.elapsed();
        CALLS.update(self.labels, |calls| calls.add(duration));
    }
}

/// Measures a call from `start`, which precedes the future: a method that is not `async` runs before its future exists.
///
/// The call is boxed once more only if it is measured, so an idle connection needs no memory for the measurement.
pub(crate) fn timed<'a, T: Send + 'a>(
    consumer: &'static str,
    attribute: &'static str,
    start: CallStart,
    call: BoxFuture<'a, T>,
) -> BoxFuture<'a, T> {
    let Some(timing) = start.timing(consumer, attribute) else { return call };
    Box::pin(async move {
        let _timing = timing;
        call.await
    })
}
