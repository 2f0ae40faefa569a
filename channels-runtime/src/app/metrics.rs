//! Export of the application's counters to the `metrics` facade.

use std::sync::atomic::Ordering::Relaxed;

use crate::app::channels::Channels;
use crate::app::stats::Stats;
use crate::connection::Backlog;
use crate::support::metrics::*;

impl Channels {
    /// Writes the metrics of this application to the `metrics` recorder of this thread or of the process. Call it once at the start,
    /// and again before your exporter sends or is read; the recorder gets no updates in between. With Prometheus, the page
    /// `/metrics` of the feature `prometheus` does that for you.
    ///
    /// `docs/observability.md` lists all metrics. Events, refused commands and handler times are counted from the first call on, for
    /// the whole process; if it has several `Channels`, each of them writes these.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().build()?;
    /// channels.record_metrics();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn record_metrics(&self) {
        want();
        for metric in ALL {
            metric.describe();
        }
        let Stats { admitted, handshakes, connections, layer, jobs } = self.stats();
        CONNECTIONS.tell(&[], self.connections() as u64);
        PLACES_TAKEN.tell(&[], admitted as u64);
        handshakes.tell();
        connections.tell();
        layer.tell();
        jobs.tell();
        SENT.each(|[event, _], sent| EVENTS_SENT.tell(&[event], sent.load(Relaxed)));
        RECEIVED.each(|values, received| EVENTS_RECEIVED.tell(&values, received.load(Relaxed)));
        REFUSED.each(|values, refused| COMMANDS_REFUSED.tell(&values, refused.load(Relaxed)));
        TIMES.each(|values, times| times.tell([&HANDLER_BUCKET, &HANDLER_COUNT, &HANDLER_SUM], &values));
        ROUND_TRIPS.tell([&LAYER_BUCKET, &LAYER_COUNT, &LAYER_SUM], &[]);
        let Backlog { events, most_events, bytes, most_bytes } = self.server().backlog();
        MAILBOX_EVENTS.tell(&[], events);
        MAILBOX_EVENTS_MAX.tell(&[], most_events);
        OUTBOUND_BYTES.tell(&[], bytes);
        OUTBOUND_BYTES_MAX.tell(&[], most_bytes);
    }
}
