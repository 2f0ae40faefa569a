//! The background tasks of a Redis layer.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one layer. They end when the layer stops them or is dropped.
#[derive(Debug)]
pub(super) struct Tasks(Spawner);

/// Spawns tasks of a layer. Does not keep the layer alive.
#[derive(Debug, Clone)]
pub(super) struct Spawner {
    tracker: TaskTracker,
    stop: CancellationToken,
    runtime: Handle,
}

impl Spawner {
    /// Spawns a task on the layer's runtime. It runs until it returns or the layer stops it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.stop.clone().run_until_cancelled_owned(task);
        self.tracker.spawn_on(task, &self.runtime);
    }
}

impl Tasks {
    /// Makes an empty set of tasks. Must be called within a Tokio runtime, which runs the tasks.
    pub(super) fn new() -> Self {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        Self(Spawner { tracker, stop, runtime: Handle::current() })
    }

    /// Returns the runtime of the tasks.
    pub(super) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Returns a handle for code that spawns tasks later.
    pub(super) fn spawner(&self) -> Spawner {
        self.0.clone()
    }

    /// Spawns a task that runs until it returns or is stopped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Returns whether [`Self::stop`] was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Stops all tasks, and waits until they have ended.
    pub(super) async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}
