//! The state that all connections of an application share: the layer, the write queue, the limits and the registry.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
#[cfg(feature = "backend")]
use crate::auth::ForwardAuthCounters;
#[cfg(feature = "jwt")]
use crate::auth::TicketKeys;
#[cfg(feature = "backend")]
use crate::backend::Backend;
use crate::connection::{Backlog, HeartbeatPolicy, Limits, Shared};
use crate::layer::ChannelLayer;
use crate::server::authenticator::Authenticator;
use crate::server::job_stats::JobCounters;
use crate::server::kicks::Kicks;
use crate::server::login_expiry::LoginExpiry;
use crate::server::publish_stats::PublishCounters;
use crate::server::reauth::{Checker, Reauth};
use crate::server::registry::ConnectionRegistry;
#[cfg(feature = "backend")]
use crate::server::webhooks::Webhooks;
use crate::support::{LogLimit, lock};

/// An application's connections, and the tasks that serve them.
pub(crate) struct Server {
    created: Instant,
    shared: Arc<Shared>,
    pub(super) admission: Admission,
    /// For records of failed handshakes.
    pub(crate) failure_logs: LogLimit,
    /// The counters of workers.
    jobs: Arc<JobCounters>,
    /// The counters of publishing over HTTP.
    published: PublishCounters,
    pub(super) login_expiry: Arc<LoginExpiry>,
    pub(super) reauth: Arc<Reauth>,
    pub(super) kicks: Kicks,
    #[cfg(feature = "backend")]
    pub(super) webhooks: Option<Arc<Webhooks>>,
    pub(crate) settings: Settings,
    /// The tasks of all sessions, and of requests that must end.
    pub(super) sessions: TaskTracker,
    /// Cancelled when the shutdown begins: no more connections are admitted.
    pub(super) stopping: CancellationToken,
    pub(super) registry: Arc<ConnectionRegistry>,
    /// The tasks for all connections: the write queue, the heartbeat, login expiry, the checks of logins and webhooks. They end when the server is dropped.
    /// Sessions hold the server, so the tasks outlive them.
    background_tasks: Mutex<Option<(JoinHandle<()>, DropGuard)>>,
}

/// The settings of a server.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// The times after which a silent client is pinged and dropped. `None`: never.
    pub(crate) heartbeat: Option<HeartbeatPolicy>,
    pub(crate) connect_deadline: Duration,
    pub(crate) authenticator: Option<Arc<Authenticator>>,
    /// The time between two checks of a login. `None`: only those that set a time are checked.
    pub(crate) reauth: Option<Duration>,
    #[cfg(feature = "backend")]
    pub(crate) backend: Option<Backend>,
    /// The counters of the backend that is asked for logins.
    #[cfg(feature = "backend")]
    pub(crate) forward_auth: Option<Arc<ForwardAuthCounters>>,
    /// The fingerprints of the contracts whose clients are counted.
    pub(crate) contracts: Vec<String>,
    /// The time over which a stopping server closes its connections.
    pub(crate) drain_window: Duration,
    pub(crate) shutdown_deadline: Duration,
    /// `None`: the application accepts no tickets.
    #[cfg(feature = "jwt")]
    pub(crate) tickets: Option<TicketKeys>,
}

impl Server {
    pub(crate) fn new(layer: ChannelLayer, settings: Settings, admission: Admission) -> Arc<Self> {
        let shared = Shared::new(
            layer,
            settings.limits,
            #[cfg(feature = "backend")]
            settings.backend.clone(),
        );
        #[cfg(feature = "backend")]
        let webhooks = settings.backend.as_ref().filter(|backend| backend.webhooks_path().is_some());
        #[cfg(feature = "backend")]
        let webhooks = webhooks.map(|backend| Arc::new(Webhooks::new(backend.clone())));
        #[cfg(feature = "jwt")]
        if let Some(keys) = &settings.tickets {
            _ = shared.tickets.set(keys.clone());
        }
        Arc::new(Self {
            created: Instant::now(),
            shared,
            admission,
            failure_logs: LogLimit::default(),
            jobs: Arc::default(),
            published: PublishCounters::default(),
            login_expiry: Arc::default(),
            reauth: Arc::default(),
            #[cfg(feature = "backend")]
            webhooks,
            kicks: Kicks::default(),
            settings,
            sessions: TaskTracker::new(),
            stopping: CancellationToken::new(),
            registry: Arc::default(),
            background_tasks: Mutex::default(),
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

    pub(crate) fn published(&self) -> &PublishCounters {
        &self.published
    }

    /// Runs the rest of a request in a task of its own, which ends even if the client hangs up. A stopping server waits for it.
    #[cfg(feature = "publish")]
    pub(crate) fn spawn_request<T: Send + 'static>(
        &self,
        rest: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.sessions.spawn(rest)
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Returns the time since the server was created.
    pub(crate) fn uptime(&self) -> Duration {
        self.created.elapsed()
    }

    /// Returns the number of open connections of each consumer.
    pub(crate) fn consumers(&self) -> BTreeMap<&'static str, usize> {
        self.registry.by_consumer()
    }

    /// Returns the number of open connections by the contract that they announced.
    pub(crate) fn contracts(&self) -> BTreeMap<&str, usize> {
        self.registry.by_contract(&self.settings.contracts)
    }

    /// Returns the backlog of all connections.
    pub(crate) fn backlog(&self) -> Backlog {
        self.registry.backlog()
    }

    /// Returns the number of open connections.
    pub(crate) fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Starts the tasks for all connections, if they do not run.
    ///
    /// Called for each connection, because only then a runtime certainly exists. In tests it may be a different runtime than
    /// before, and the tasks ended with the old one.
    pub(super) fn start_background_tasks(&self) {
        let mut tasks = lock(&self.background_tasks);
        if tasks.as_ref().is_none_or(|(writer, _)| writer.is_finished()) {
            let stop = CancellationToken::new();
            let guard = stop.clone().drop_guard();
            if let Some(heartbeat) = self.settings.heartbeat {
                tokio::spawn(Arc::clone(&self.registry).check_heartbeats(heartbeat, stop.clone().cancelled_owned()));
            }
            tokio::spawn(Arc::clone(&self.login_expiry).run(stop.clone().cancelled_owned()));
            if let Some(authenticator) = &self.settings.authenticator {
                let checker = Checker {
                    schedule: Arc::clone(&self.reauth),
                    login_expiry: Arc::clone(&self.login_expiry),
                    authenticator: Arc::clone(authenticator),
                    deadline: self.settings.connect_deadline,
                };
                tokio::spawn(checker.run(stop.clone().cancelled_owned()));
            }
            #[cfg(feature = "backend")]
            if let Some(webhooks) = &self.webhooks {
                tokio::spawn(Arc::clone(webhooks).run(stop.clone().cancelled_owned()));
            }
            let writer = tokio::spawn(write(Arc::clone(&self.shared), stop.cancelled_owned()));
            *tasks = Some((writer, guard));
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
