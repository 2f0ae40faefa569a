//! A gate: handlers wait at it until the test opens it.

use tokio::sync::Semaphore;

/// A gate that starts closed. Each pass lets one handler through.
pub(crate) struct Gate(Semaphore);

impl Gate {
    pub(crate) const fn closed() -> Self {
        Self(Semaphore::const_new(0))
    }

    /// Lets this many handlers through, now or later.
    pub(crate) fn open(&self, passes: usize) {
        self.0.add_permits(passes);
    }

    /// Waits for a pass and uses it.
    pub(crate) async fn pass(&self) {
        self.0.acquire().await.expect("nothing closes the semaphore").forget();
    }
}
