//! A local recorder of metrics. The first call of [`Channels::metrics`] in a process installs a global recorder, which one test
//! needs for itself, so the other tests use this one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use channels_runtime::prelude::*;

/// Keeps the counters as they are and the gauges as the bits of a float.
#[derive(Default)]
struct Recorder {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn cell(values: &Mutex<BTreeMap<String, Arc<AtomicU64>>>, key: &metrics::Key) -> Arc<AtomicU64> {
    let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
    let name = [&[key.name()], &labels[..]].concat().join(" ");
    Arc::clone(values.lock().unwrap().entry(name).or_default())
}

impl metrics::Recorder for Recorder {
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

/// Returns the recorded values. A key is the name of a metric and the values of its labels, separated by spaces.
pub(crate) fn recorded(channels: &Channels) -> BTreeMap<String, f64> {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || channels.record_metrics());
    let counters = recorder.counters.into_inner().unwrap();
    let counters = counters.into_iter().map(|(name, figure)| (name, figure.load(Relaxed) as f64));
    let gauges = recorder.gauges.into_inner().unwrap();
    counters.chain(gauges.into_iter().map(|(name, figure)| (name, f64::from_bits(figure.load(Relaxed))))).collect()
}
