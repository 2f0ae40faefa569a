//! What all connections of a process share: the layer, the flusher, the limits, and who is alive.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::auth::SomeUser;
use crate::connection::{Connection, Limits, Socket};
use crate::consumer::Consumer;
use crate::curfew::Curfew;
use crate::door::{self, Door};
use crate::error::Reject;
use crate::flusher::Flusher;
use crate::frame::CloseCode;
use crate::layer::ChannelLayer;
use crate::living::{Living, Patience};
use crate::scope::Scope;
use crate::session::Opened;
use crate::stats::{Stats, Waiting};
use crate::worker::JobCounters;

/// How long the answer to a handshake may take to reach the client.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(10);

/// How often connections are closed when the server stops.
const WAVE: Duration = Duration::from_millis(50);

/// How fast connections are closed at the most when the server stops, so that a small server does not wait for nothing.
const CLOSED_PER_SECOND: u32 = 1000;

/// The least time over which clients come back to a server that restarts.
const LEAST_SPREAD: Duration = Duration::from_secs(1);

/// Finds out who a client is, and for how long, before `connect` runs.
pub(crate) type Authenticator =
    dyn Fn(Scope) -> BoxFuture<'static, Result<(Option<SomeUser>, Option<SystemTime>), Reject>> + Send + Sync;

pub(crate) struct Server {
    begun: Instant,
    flusher: Arc<Flusher>,
    door: Door,
    /// What workers count.
    jobs: Arc<JobCounters>,
    curfew: Arc<Curfew>,
    pub(crate) settings: Settings,
    /// Every session is a task in here.
    sessions: TaskTracker,
    /// No new connections; the living are being closed.
    stopping: CancellationToken,
    living: Arc<Living>,
    /// The tasks that serve all connections: the flusher's, the one that watches for clients who are gone, and the one that
    /// ends logins. They end when the server is dropped: sessions hold the server, so the tasks outlive them.
    serving: Mutex<Option<(JoinHandle<()>, DropGuard)>>,
}

pub(crate) struct Settings {
    pub(crate) limits: Limits,
    /// What silence of a client leads to, if to anything.
    pub(crate) patience: Option<Patience>,
    pub(crate) connect_deadline: Duration,
    pub(crate) authenticator: Option<Box<Authenticator>>,
    /// Over how long a server that stops closes its connections.
    pub(crate) drain_window: Duration,
    pub(crate) shutdown_deadline: Duration,
}

impl Server {
    pub(crate) fn new(layer: ChannelLayer, settings: Settings, door: Door) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            flusher: Flusher::new(layer, settings.limits),
            door,
            jobs: Arc::default(),
            curfew: Arc::default(),
            settings,
            sessions: TaskTracker::new(),
            stopping: CancellationToken::new(),
            living: Arc::default(),
            serving: Mutex::default(),
        })
    }

    pub(crate) fn layer(&self) -> &ChannelLayer {
        self.flusher.layer()
    }

    pub(crate) fn flusher(&self) -> &Arc<Flusher> {
        &self.flusher
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    pub(crate) fn jobs(&self) -> &Arc<JobCounters> {
        &self.jobs
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            inside: self.door.inside(),
            door: self.door.counters.snapshot(),
            connections: self.flusher.counters().snapshot(),
            layer: self.layer().stats(),
            jobs: self.jobs.snapshot(),
        }
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
        self.living.kinds()
    }

    /// What waits in the connections.
    pub(crate) fn waiting(&self) -> Waiting {
        self.living.waiting()
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.living.len()
    }

    /// Runs a connection that has accepted in a task of its own. `upgrade` answers the handshake and gives what carries
    /// the connection, with what was read ahead; or nothing, if the client is gone.
    pub(crate) fn spawn<C: Consumer>(
        guest: Guest,
        opened: Opened<C>,
        login_ends: Option<Instant>,
        upgrade: impl Future<Output = Option<(Socket, Bytes)>> + Send + 'static,
    ) {
        let server = Arc::clone(&guest.server);
        server.serve_from_now_on();
        // The handshake's future is larger than the session's, so the session gets a task of its own size.
        server.sessions.clone().spawn(async move {
            // A client that vanished without a word, before its answer was written, would be waited for without end.
            let upgraded = tokio::time::timeout(UPGRADE_DEADLINE, upgrade).await.ok().flatten();
            let span = opened.span.clone();
            let Some((socket, read_ahead)) = upgraded else {
                opened.abandon().await;
                return drop(guest);
            };
            let session = opened.into_session(socket, &read_ahead);
            let alive = Alive::<C>::new(guest, session.connection(), login_ends);
            // Most connections have no span, and then they have no room for one.
            if span.is_disabled() {
                server.sessions.spawn(session.run(alive));
            } else {
                server.sessions.spawn(session.run(alive).instrument(span));
            }
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
            tokio::spawn(Arc::clone(&self.curfew).run(stop.clone().cancelled_owned()));
            let task = tokio::spawn(Arc::clone(&self.flusher).run(stop.cancelled_owned()));
            *serving = Some((task, guard));
        }
    }

    /// Lets none in, closes all connections in waves, and waits until all are gone, or until the deadline.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> bool {
        self.stopping.cancel();
        self.sessions.close();
        let ended = async {
            tokio::join!(self.close_in_waves(deadline / 2), self.sessions.wait());
            // What the process is about to forget, the layer's other end would keep for a day.
            self.layer().backend().settled().await;
        };
        tokio::time::timeout(deadline, ended).await.is_ok()
    }

    /// Closes connections over the window, so that their clients do not all come back in one moment, and neither do all
    /// `disconnect`s run in one.
    async fn close_in_waves(&self, longest: Duration) {
        // Those who are closed, or leave by themselves, are not held until the last wave: their sockets would stay open.
        let connections: Vec<_> = self.living.all().iter().map(Arc::downgrade).collect();
        let many = u32::try_from(connections.len()).unwrap_or(u32::MAX);
        let window = (Duration::from_secs(1) / CLOSED_PER_SECOND * many).min(self.settings.drain_window).min(longest);
        let waves = usize::try_from(window.as_millis() / WAVE.as_millis()).unwrap_or(usize::MAX).max(1);
        let mut begin = Instant::now();
        for wave in connections.chunks(connections.len().div_ceil(waves).max(1)) {
            // The first is closed at once.
            tokio::time::sleep_until(begin).await;
            for connection in wave.iter().filter_map(Weak::upgrade) {
                close_for_restart(&connection, window);
            }
            begin += WAVE;
        }
    }
}

/// Tells a client when to come back: spread over the time in which the others are closed.
fn close_for_restart(connection: &Connection, window: Duration) {
    let spread = window.max(LEAST_SPREAD).as_millis();
    let wait = door::random_below(u64::try_from(spread).unwrap_or(u64::MAX));
    connection.close(CloseCode::SERVICE_RESTART, &format!("reconnect in {wait} ms"));
}

/// The milliseconds in the reason that [`close_for_restart`] gives.
pub(crate) fn wait_before_return(reason: &str) -> Option<u64> {
    reason.strip_prefix("reconnect in ")?.strip_suffix(" ms")?.parse().ok()
}

/// A connection's place inside, from before its `connect` until it is gone.
#[derive(Debug)]
pub(crate) struct Guest {
    server: Arc<Server>,
    /// Where that is counted. Boxed, because mostly it is not, and every connection carries this.
    address: Option<Box<IpAddr>>,
}

impl Guest {
    /// Lets one more in, if there is room.
    pub(crate) fn enter(server: &Arc<Server>, client: Option<SocketAddr>) -> Result<Self, Reject> {
        let address = server.door.enter(client)?;
        Ok(Self { server: Arc::clone(server), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.server.door.leave(self.address.as_deref());
    }
}

/// The place of a connection among the living.
struct Alive<C: Consumer> {
    guest: Guest,
    place: u32,
    consumer: PhantomData<fn() -> C>,
}

impl<C: Consumer> Alive<C> {
    fn new(guest: Guest, connection: &Arc<Connection>, login_ends: Option<Instant>) -> Self {
        let server = &guest.server;
        let place = server.living.enter(connection, C::INFO.name);
        if let Some(end) = login_ends {
            server.curfew.add(place, end, connection);
        }
        // A shutdown that began between the handshake and this line has not seen the connection.
        if server.stopping.is_cancelled() {
            close_for_restart(connection, server.settings.drain_window);
        }
        Self { guest, place, consumer: PhantomData }
    }
}

impl<C: Consumer> Drop for Alive<C> {
    fn drop(&mut self) {
        let server = &self.guest.server;
        // First, because the place is another's at once.
        server.curfew.remove(self.place);
        server.living.leave(self.place, C::INFO.name);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("layer", self.layer()).finish_non_exhaustive()
    }
}
