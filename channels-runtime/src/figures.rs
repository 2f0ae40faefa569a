//! The figures of an application, told to the `metrics` facade when somebody asks for them.
//!
//! Most are counted anyway, for [`Channels::stats`] and its like, and are only read here. Three are counted for this page
//! alone, with the feature `metrics`: events by name, refused commands, and how long handlers take. Their labels are names
//! in the program's source, so however hostile the clients are, there are no more of them than the source has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

use crate::channels::Channels;
use crate::connection::ConnectionStats;
use crate::consumer::{BoxFuture, Consumer};
use crate::door::DoorStats;
use crate::layer::LayerStats;

/// The values of the labels of one figure, in the order of its names.
type Labels = [&'static str; 2];

/// Events that were encoded to be sent, by name.
static SENT: Table<AtomicU64> = Table::new();
/// Events that came for a kind of consumer and fitted a handler's payload: by consumer, and name.
static RECEIVED: Table<AtomicU64> = Table::new();
/// Frames of clients that were no command: by consumer, and code.
static REFUSED: Table<AtomicU64> = Table::new();
/// How long handlers took: by consumer, and attribute.
static TIMES: Table<Times> = Table::new();

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
struct Table<T>(RwLock<BTreeMap<Labels, T>>);

impl<T: Default> Table<T> {
    const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    fn with(&self, labels: Labels, change: impl Fn(&T)) {
        if let Some(figure) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            return change(figure);
        }
        change(self.0.write().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default());
    }

    fn each(&self, mut tell: impl FnMut(Labels, &T)) {
        for (labels, figure) in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            tell(*labels, figure);
        }
    }
}

fn one_more(figure: &AtomicU64) {
    figure.fetch_add(1, Relaxed);
}

/// An event was encoded to be sent.
pub(crate) fn sent(event: &'static str) {
    SENT.with([event, ""], one_more);
}

/// An event came for this kind of consumer.
pub(crate) fn received<C: Consumer>(event: &str) {
    // What the wire says is as long as its sender likes; what the source says is not.
    if let Some(handler) = C::INFO.handlers.iter().find(|handler| handler.event == event) {
        RECEIVED.with([C::INFO.name, handler.event], one_more);
    }
}

/// A client's frame was no command.
pub(crate) fn refused<C: Consumer>(code: &'static str) {
    REFUSED.with([C::INFO.name, code], one_more);
}

#[derive(Default)]
struct Times {
    /// Calls for each of [`BUCKETS`] and no bucket before it; the last took longer than all.
    calls: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Times {
    fn add(&self, took: Duration) {
        let bucket = BUCKETS.iter().position(|(bound, _)| took <= *bound).unwrap_or(BUCKETS.len());
        one_more(&self.calls[bucket]);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Counts how long it took when it is dropped: a handler that panics took time, too.
struct Timing {
    labels: Labels,
    began: Instant,
}

impl Drop for Timing {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        TIMES.with(self.labels, |times| times.add(took));
    }
}

/// Measures a handler. Boxed once more, so that an idle connection does not carry the room for it.
pub(crate) fn timed<'a, C: Consumer, T: Send + 'a>(
    attribute: &'static str,
    call: BoxFuture<'a, T>,
) -> BoxFuture<'a, T> {
    Box::pin(async move {
        let _timing = Timing { labels: [C::INFO.name, attribute], began: Instant::now() };
        call.await
    })
}

impl Channels {
    /// Tells the figures of this application to the `metrics` recorder of this thread or of the process, whichever there
    /// is. Call it when your exporter is about to send or to be asked; between two calls the recorder knows nothing new. With
    /// Prometheus, the feature `prometheus` and its page `/metrics` do that for you.
    ///
    /// `docs/observability.md` names them all. Events, refused commands and the time of handlers are counted for the process;
    /// where it has several `Channels`, each tells them.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().build();
    /// channels.record_metrics();
    /// ```
    pub fn record_metrics(&self) {
        describe();
        gauge!("channels_connections").set(float(self.connections() as u64));
        self.record_handshakes();
        self.record_connections();
        self.record_layer();
        record_events();
        record_times();
    }

    fn record_handshakes(&self) {
        // Without `..`: a new figure does not compile until it is told, too.
        let DoorStats {
            inside,
            accepted,
            malformed,
            wrong_origin,
            wrong_host,
            full,
            address_full,
            too_fast,
            stopping,
            rejected,
            timed_out,
            logins_ended,
            crowded_out,
            tls_failed,
        } = self.door_stats();
        gauge!("channels_places_taken").set(float(inside as u64));
        tell(
            "channels_handshakes_total",
            "outcome",
            &[
                ("accepted", accepted),
                ("malformed", malformed),
                ("wrong_origin", wrong_origin),
                ("wrong_host", wrong_host),
                ("full", full),
                ("address_full", address_full),
                ("too_fast", too_fast),
                ("stopping", stopping),
                ("rejected", rejected),
                ("timed_out", timed_out),
            ],
        );
        tell("channels_sockets_dropped_total", "reason", &[("crowded_out", crowded_out), ("tls_failed", tls_failed)]);
        tell("channels_connections_closed_total", "reason", &[("login_ended", logins_ended)]);
    }

    fn record_connections(&self) {
        // What was refused is counted by its code, where it happens.
        let ConnectionStats { too_slow, unanswered, idle, throttled, behind, refused: _ } = self.stats();
        tell(
            "channels_connections_closed_total",
            "reason",
            &[("too_slow", too_slow), ("unanswered", unanswered), ("idle", idle), ("behind", behind)],
        );
        counter!("channels_throttled_total").absolute(throttled);
    }

    fn record_layer(&self) {
        let LayerStats {
            delivered,
            dropped_full,
            dropped_oldest,
            dropped_volatile,
            coalesced,
            unhandled,
            undecodable,
            expired,
            gaps,
        } = self.channel_layer().stats();
        counter!("channels_messages_delivered_total").absolute(delivered);
        tell(
            "channels_messages_dropped_total",
            "reason",
            &[
                ("full", dropped_full),
                ("oldest", dropped_oldest),
                ("volatile", dropped_volatile),
                ("coalesced", coalesced),
                ("unhandled", unhandled),
                ("undecodable", undecodable),
                ("expired", expired),
            ],
        );
        counter!("channels_layer_gaps_total").absolute(gaps);
    }
}

fn tell(name: &'static str, label: &'static str, figures: &[(&'static str, u64)]) {
    for &(value, figure) in figures {
        counter!(name, vec![Label::from_static_parts(label, value)]).absolute(figure);
    }
}

fn labels(names: Labels, values: Labels) -> Vec<Label> {
    names.into_iter().zip(values).map(|(name, value)| Label::from_static_parts(name, value)).collect()
}

fn record_events() {
    SENT.each(|[event, _], sent| tell("channels_events_sent_total", "event", &[(event, sent.load(Relaxed))]));
    RECEIVED.each(|values, received| {
        counter!("channels_events_received_total", labels(["consumer", "event"], values))
            .absolute(received.load(Relaxed));
    });
    REFUSED.each(|values, refused| {
        counter!("channels_commands_refused_total", labels(["consumer", "code"], values))
            .absolute(refused.load(Relaxed));
    });
}

/// As the three series of a histogram of Prometheus: the facade has no histogram that can be set, only one that keeps every
/// single value until somebody comes for it.
fn record_times() {
    TIMES.each(|values, times| {
        let labels = labels(["consumer", "at"], values);
        let bounds = BUCKETS.iter().map(|&(_, name)| name).chain(["+Inf"]);
        let mut calls = 0;
        for (bound, in_bucket) in bounds.zip(&times.calls) {
            calls += in_bucket.load(Relaxed);
            let mut labels = labels.clone();
            labels.push(Label::from_static_parts("le", bound));
            counter!("channels_handler_seconds_bucket", labels).absolute(calls);
        }
        counter!("channels_handler_seconds_count", labels.clone()).absolute(calls);
        let took = Duration::from_nanos(times.nanoseconds.load(Relaxed));
        gauge!("channels_handler_seconds_sum", labels).set(took.as_secs_f64());
    });
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; there are not 2^53 connections")]
fn float(figure: u64) -> f64 {
    figure as f64
}

fn describe() {
    describe_gauge!("channels_connections", "Connections that are open.");
    describe_gauge!(
        "channels_places_taken",
        "Connections that are open or being connected, which is what limits count."
    );
    describe_counter!("channels_handshakes_total", "Handshakes, by what became of them.");
    describe_counter!("channels_sockets_dropped_total", "Sockets that were dropped before they had sent a request.");
    describe_counter!("channels_connections_closed_total", "Connections that the server closed, by reason.");
    describe_counter!(
        "channels_throttled_total",
        "How often a client that sent too much was not read from for a moment."
    );
    describe_counter!("channels_messages_delivered_total", "Messages handed to a mailbox or an outbound queue.");
    describe_counter!("channels_messages_dropped_total", "Messages that did not reach a consumer, by reason.");
    describe_counter!("channels_layer_gaps_total", "How often the connection of the channel layer was lost.");
    describe_counter!("channels_events_sent_total", "Typed events that were sent, by name.");
    describe_counter!("channels_events_received_total", "Events that came for a kind of consumer here.");
    describe_counter!("channels_commands_refused_total", "Frames of clients that were no command, by code.");
    describe_counter!("channels_handler_seconds_bucket", "How long calls of a consumer took, cumulated.");
    describe_counter!("channels_handler_seconds_count", "Calls of a consumer.");
    describe_gauge!("channels_handler_seconds_sum", "How long calls of a consumer took together, in seconds.");
}
