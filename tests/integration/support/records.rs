//! Captures the log records of a thread, with their fields.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level, Subscriber};
use tracing_subscriber::layer::{Context as Layered, Layer, SubscriberExt};

/// A log record, with its fields as text.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) level: Level,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Record {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// Collects what the runtime logs on this thread while the guard is alive.
#[derive(Clone, Default)]
pub(crate) struct Records(pub(crate) Arc<Mutex<Vec<Record>>>);

impl Records {
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        // With only one subscriber, tracing caches the interest of the thread that reaches a call first, and the threads of
        // the other tests have none.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&ANOTHER);
        let log = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
        (log, guard)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap()
    }

    pub(crate) fn warnings(&self) -> Vec<Record> {
        self.lock().iter().filter(|record| record.level == Level::WARN).cloned().collect()
    }

    /// Returns the records whose message starts with this text, and removes all records.
    pub(crate) fn take(&self, message: &str) -> Vec<Record> {
        let taken = std::mem::take(&mut *self.lock());
        taken.into_iter().filter(|record| record.field("message").starts_with(message)).collect()
    }
}

impl<S: Subscriber> Layer<S> for Records {
    fn on_event(&self, event: &tracing::Event<'_>, _: Layered<'_, S>) {
        if event.metadata().target().starts_with("channels_runtime") {
            let mut record = Record { level: *event.metadata().level(), fields: BTreeMap::new() };
            event.record(&mut record);
            self.lock().push(record);
        }
    }
}
