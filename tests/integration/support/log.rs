//! Captures the log of a thread.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// The log of this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns the log of this thread, which is captured while the guard is alive.
    pub(crate) fn of_this_thread(level: tracing::Level) -> (Self, (DefaultGuard, Dispatch)) {
        let log = Self::default();
        let kept = log.clone();
        // A second subscriber. With only one, tracing caches that no thread wants a record if the other tests' threads do
        // not.
        let another = Dispatch::new(tracing_subscriber::registry());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
        let subscriber = subscriber.with_writer(move || kept.clone()).finish();
        (log, (tracing::subscriber::set_default(subscriber), another))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
