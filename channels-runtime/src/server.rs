//! What all connections of a process share: the layer, the flusher, the limits, and who is alive.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::connection::{Connection, Limits};
use crate::consumer::Consumer;
use crate::error::Reject;
use crate::flusher::Flusher;
use crate::frame::CloseCode;
use crate::layer::ChannelLayer;
use crate::living::{Living, Patience};
use crate::scope::Scope;
use crate::session::{Opened, Transport};

/// How long the answer to a handshake may take to reach the client.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

/// Finds out who a client is, before `connect` runs.
pub(crate) type Authenticator =
    dyn Fn(Scope) -> BoxFuture<'static, Result<Option<Arc<dyn Any + Send + Sync>>, Reject>> + Send + Sync;

pub(crate) struct Server {
    layer: ChannelLayer,
    flusher: Arc<Flusher>,
    pub(crate) settings: Settings,
    /// Every session is a task in here.
    sessions: TaskTracker,
    /// No new connections; the living are being closed.
    stopping: CancellationToken,
    living: Arc<Living>,
    /// The tasks that serve all connections: the flusher's, and the one that watches for clients who are gone. They end when
    /// the server is dropped: sessions hold the server, so the tasks outlive them.
    serving: Mutex<Option<(JoinHandle<()>, DropGuard)>>,
}

pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// What silence of a client leads to, if to anything.
    pub(crate) patience: Option<Patience>,
    pub(crate) connect_deadline: Duration,
    pub(crate) authenticator: Option<Box<Authenticator>>,
}

impl Server {
    pub(crate) fn new(layer: ChannelLayer, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            layer,
            flusher: Flusher::new(settings.limits),
            settings,
            sessions: TaskTracker::new(),
            stopping: CancellationToken::new(),
            living: Arc::default(),
            serving: Mutex::default(),
        })
    }

    pub(crate) fn layer(&self) -> &ChannelLayer {
        &self.layer
    }

    pub(crate) fn flusher(&self) -> &Arc<Flusher> {
        &self.flusher
    }

    pub(crate) fn limits(&self) -> Limits {
        self.settings.limits
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.living.len()
    }

    /// Runs a connection that has accepted in a task of its own. `upgrade` answers the handshake and gives what carries
    /// the connection, with what was read ahead; or nothing, if the client is gone.
    pub(crate) fn spawn<C: Consumer>(
        self: &Arc<Self>,
        opened: Opened<C>,
        upgrade: impl Future<Output = Option<(Transport, Bytes)>> + Send + 'static,
    ) {
        self.serve_from_now_on();
        let server = Arc::clone(self);
        // The handshake's future is larger than the session's, so the session gets a task of its own size.
        self.sessions.spawn(async move {
            // A client that vanished without a word, before its answer was written, would be waited for without end.
            let upgraded = tokio::time::timeout(UPGRADE_DEADLINE, upgrade).await.ok().flatten();
            let Some((transport, read_ahead)) = upgraded else { return opened.abandon().await };
            let session = opened.into_session(transport, &read_ahead);
            let alive = Alive::new(server, session.connection());
            let sessions = alive.server.sessions.clone();
            sessions.spawn(session.run(alive));
        });
    }

    /// Starts what serves all connections, if it does not run: a server that no connection ever reached needs none, and only
    /// when one comes is a runtime sure to be there. It may be another one than the last time (in tests), which took its
    /// tasks with it.
    fn serve_from_now_on(&self) {
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        if serving.as_ref().is_none_or(|(task, _)| task.is_finished()) {
            let stop = CancellationToken::new();
            let guard = stop.clone().drop_guard();
            if let Some(patience) = self.settings.patience {
                tokio::spawn(Arc::clone(&self.living).watch(patience, stop.clone().cancelled_owned()));
            }
            let task = tokio::spawn(Arc::clone(&self.flusher).run(stop.cancelled_owned()));
            *serving = Some((task, guard));
        }
    }

    /// Closes all connections with this code, lets none in, and waits until all are gone, or until the deadline.
    pub(crate) async fn shutdown(&self, code: CloseCode, reason: &str, deadline: Duration) -> bool {
        self.stopping.cancel();
        self.sessions.close();
        for connection in self.living.all() {
            connection.close(code, reason);
        }
        let ended = async {
            self.sessions.wait().await;
            // What the process is about to forget, the layer's other end would keep for a day.
            self.layer.backend().settled().await;
        };
        tokio::time::timeout(deadline, ended).await.is_ok()
    }
}

/// The place of a connection among the living.
struct Alive {
    server: Arc<Server>,
    place: u32,
}

impl Alive {
    fn new(server: Arc<Server>, connection: &Arc<Connection>) -> Self {
        let place = server.living.enter(connection);
        // A shutdown that began between the handshake and this line has not seen the connection.
        if server.stopping.is_cancelled() {
            connection.close(CloseCode::SERVICE_RESTART, "the server stops");
        }
        Self { server, place }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.server.living.leave(self.place);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("layer", &self.layer).finish_non_exhaustive()
    }
}
