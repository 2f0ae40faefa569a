//! Export of the application's counters to the `metrics` facade.

use std::sync::atomic::Ordering::Relaxed;

use crate::app::channels::Channels;
use crate::app::stats::Stats;
use crate::connection::Backlog;
use crate::support::metrics::*;

impl Channels {
    /// Writes the metrics of this application to the `metrics` recorder of this thread or of the process. Call it once at the
    /// start, and again before your exporter sends or is read; the recorder gets no updates in between. With Prometheus, the page
    /// `/metrics` of the feature `prometheus` does that for you.
    ///
    /// `docs/observability.md` lists all metrics. Events, refused commands and handler times are counted from the first call on,
    /// for the whole process; if it has several `Channels`, each of them writes these.
    ///
    /// ```
    /// use channels_runtime::prelude::*;
    ///
    /// let channels = Channels::builder().build()?;
    /// channels.record_metrics();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn record_metrics(&self) {
        enable();
        for metric in ALL {
            metric.describe();
        }
        let stats = self.stats();
        #[cfg(feature = "backend")]
        stats.forward_auth.report();
        #[cfg(feature = "backend")]
        stats.backend.report();
        let Stats { admitted, handshakes, connections, compression, layer, jobs, publish, .. } = stats;
        CONNECTIONS.set(&[], self.connections() as u64);
        ADMITTED.set(&[], admitted as u64);
        for (contract, connections) in self.server().contracts() {
            CONTRACT_CONNECTIONS.set_named(contract, connections as u64);
        }
        handshakes.report();
        connections.report();
        compression.report();
        layer.report();
        jobs.report();
        publish.report();
        SENT.for_each(|[event, _], sent| EVENTS_SENT.set(&[event], sent.load(Relaxed)));
        RECEIVED.for_each(|values, received| EVENTS_RECEIVED.set(&values, received.load(Relaxed)));
        REFUSED.for_each(|values, refused| COMMANDS_REFUSED.set(&values, refused.load(Relaxed)));
        CALLS.for_each(|values, calls| calls.report([&HANDLER_BUCKET, &HANDLER_COUNT, &HANDLER_SUM], &values));
        ROUND_TRIPS.report([&LAYER_BUCKET, &LAYER_COUNT, &LAYER_SUM], &[]);
        let Backlog { events, most_events, bytes, most_bytes } = self.server().backlog();
        MAILBOX_EVENTS.set(&[], events);
        MAILBOX_EVENTS_MAX.set(&[], most_events);
        OUTBOUND_BYTES.set(&[], bytes);
        OUTBOUND_BYTES_MAX.set(&[], most_bytes);
    }
}
