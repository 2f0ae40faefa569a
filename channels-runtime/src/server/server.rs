//! What all connections of a process share: the layer, the flusher, the limits, and who is alive.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::connection::{Backlog, HeartbeatPolicy, Limits, Shared};
use crate::error::Reject;
use crate::layer::ChannelLayer;
use crate::scope::Scope;
use crate::server::job_stats::JobCounters;
use crate::server::login_expiry::LoginExpiry;
use crate::server::registry::ConnectionRegistry;
use crate::support::lock;
use crate::user::SomeUser;

/// Finds out who a client is, and for how long, before `connect` runs.
pub(crate) type Authenticator =
    dyn Fn(Scope) -> BoxFuture<'static, Result<(Option<SomeUser>, Option<SystemTime>), Reject>> + Send + Sync;

pub(crate) struct Server {
    begun: Instant,
    shared: Arc<Shared>,
    pub(super) admission: Admission,
    /// What workers count.
    jobs: Arc<JobCounters>,
    pub(super) login_expiry: Arc<LoginExpiry>,
    pub(crate) settings: Settings,
    /// Every session is a task in here.
    pub(super) sessions: TaskTracker,
    /// No new connections; the living are being closed.
    pub(super) stopping: CancellationToken,
    pub(super) registry: Arc<ConnectionRegistry>,
    /// The tasks that serve all connections: the flusher's, the one that watches for clients who are gone, and the one that
    /// ends logins. They end when the server is dropped: sessions hold the server, so the tasks outlive them.
    serving: Mutex<Option<(JoinHandle<()>, DropGuard)>>,
}

pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// What silence of a client leads to, if to anything.
    pub(crate) heartbeat: Option<HeartbeatPolicy>,
    pub(crate) connect_deadline: Duration,
    pub(crate) authenticator: Option<Box<Authenticator>>,
    /// Over how long a server that stops closes its connections.
    pub(crate) drain_window: Duration,
    pub(crate) shutdown_deadline: Duration,
}

impl Server {
    pub(crate) fn new(layer: ChannelLayer, settings: Settings, admission: Admission) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            shared: Shared::new(layer, settings.limits),
            admission,
            jobs: Arc::default(),
            login_expiry: Arc::default(),
            settings,
            sessions: TaskTracker::new(),
            stopping: CancellationToken::new(),
            registry: Arc::default(),
            serving: Mutex::default(),
        })
    }

    pub(crate) fn layer(&self) -> &ChannelLayer {
        &self.shared.layer
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn jobs(&self) -> &Arc<JobCounters> {
        &self.jobs
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// How long ago it was made.
    pub(crate) fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }

    /// How many connections each consumer has.
    pub(crate) fn consumers(&self) -> BTreeMap<&'static str, usize> {
        self.registry.kinds()
    }

    /// What waits in the connections.
    pub(crate) fn backlog(&self) -> Backlog {
        self.registry.backlog()
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Starts what serves all connections, if it does not run: a server that no connection ever reached needs none, and only
    /// when one comes is a runtime sure to be there. It may be another one than the last time (in tests), which took its
    /// tasks with it.
    pub(super) fn start_background_tasks(&self) {
        let mut serving = lock(&self.serving);
        if serving.as_ref().is_none_or(|(task, _)| task.is_finished()) {
            let stop = CancellationToken::new();
            let guard = stop.clone().drop_guard();
            if let Some(heartbeat) = self.settings.heartbeat {
                tokio::spawn(Arc::clone(&self.registry).watch(heartbeat, stop.clone().cancelled_owned()));
            }
            tokio::spawn(Arc::clone(&self.login_expiry).run(stop.clone().cancelled_owned()));
            let task = tokio::spawn(write(Arc::clone(&self.shared), stop.cancelled_owned()));
            *serving = Some((task, guard));
        }
    }
}

/// Runs the write queue.
async fn write(shared: Arc<Shared>, stop: impl Future<Output = ()>) {
    shared.write_queue.run(stop).await;
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("layer", self.layer()).finish_non_exhaustive()
    }
}
