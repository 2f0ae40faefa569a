//! The one writer of all sockets: rings of connections that have something to send.
//!
//! A send only puts the shared frame into each member's outbound queue, and a connection that had nothing to send goes
//! to the end of the ring. The flusher takes connections from the front, writes each one once with all that waits for
//! it, and before every [`TURN`] of them lets the readers run. So what arrives while the ring goes round rides along with
//! the rest of the round, and a busy socket gets many frames in one call; and a room of a thousand members wakes one
//! task, not a thousand.
//!
//! A round of a room of ten thousand takes a tenth of a second, and a reply to one client must not wait for it. So there are
//! two rings, by how many a message is [for](Reach), and each turn takes from both.
//!
//! (A task for each connection joins as well, but a thousand woken tasks overflow tokio's local run queue of 256, and
//! the tail of the latency with it. Writing the whole ring without a pause halves the joining.)

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::connection::{Connection, ConnectionCounters, Limits};
use crate::layer::ChannelLayer;

/// How many connections are written between two turns of the readers. With 32, what Redis answers meanwhile came too late to ride
/// along, and a delivery over pub/sub cost a tenth more; 8 gained nothing more.
const TURN: usize = 16;

/// For how many a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One client, or a group that is written in one turn.
    Few,
    Many,
}

impl Reach {
    /// That of a message to so many members.
    pub(crate) fn of(members: usize) -> Self {
        if members > TURN { Self::Many } else { Self::Few }
    }
}

/// The rings. The bound of each is the number of open connections: each is in it at most once.
pub(crate) struct Flusher {
    rings: Mutex<Rings>,
    /// Every connection holds its flusher, so what they all share is here.
    layer: ChannelLayer,
    limits: Limits,
    counters: ConnectionCounters,
}

#[derive(Default)]
struct Rings {
    few: VecDeque<Arc<Connection>>,
    many: VecDeque<Arc<Connection>>,
    task: Option<Waker>,
}

/// Connections to be written to, each with the ring that it was taken from.
type Turn = Vec<(Arc<Connection>, Reach)>;

impl Flusher {
    /// A flusher whose task ends when `stop` is done. The task must outlive all connections: without it nothing is sent.
    pub(crate) fn new(layer: ChannelLayer, limits: Limits) -> Arc<Self> {
        Arc::new(Self { rings: Mutex::default(), layer, limits, counters: ConnectionCounters::default() })
    }

    /// The layer of each of its connections.
    pub(crate) fn layer(&self) -> &ChannelLayer {
        &self.layer
    }

    /// The limits of each of its connections.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn counters(&self) -> &ConnectionCounters {
        &self.counters
    }

    /// Puts a connection at the end of a ring. It must not be in that already.
    pub(crate) fn push(&self, connection: Arc<Connection>, reach: Reach) {
        let mut rings = self.lock();
        match reach {
            Reach::Few => rings.few.push_back(connection),
            Reach::Many => rings.many.push_back(connection),
        }
        if let Some(task) = rings.task.take() {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        #[cfg(test)]
        crate::interleaving::point_before(&self.rings);
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose turn it is. Where both rings have some, each has half of the turn at least.
    fn take(&self, turn: &mut Turn) {
        let rings = &mut *self.lock();
        let few = rings.few.len().min(TURN - rings.many.len().min(TURN / 2));
        let many = rings.many.len().min(TURN - few);
        turn.extend(rings.few.drain(..few).map(|connection| (connection, Reach::Few)));
        turn.extend(rings.many.drain(..many).map(|connection| (connection, Reach::Many)));
    }

    /// Writes to those whose turn it is.
    fn write(&self, turn: &mut Turn) {
        self.take(turn);
        for (connection, reach) in turn.drain(..) {
            if connection.flush(reach) {
                self.push(connection, reach);
            }
        }
    }

    /// Writes until `stop` is done.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut turn = Vec::with_capacity(TURN);
        loop {
            let stopped = poll_fn(|cx| {
                let mut rings = self.lock();
                if !(rings.few.is_empty() && rings.many.is_empty()) {
                    return Poll::Ready(false);
                }
                rings.task = Some(cx.waker().clone());
                drop(rings);
                stop.as_mut().poll(cx).map(|()| true)
            })
            .await;
            if stopped {
                return;
            }
            // Whoever is ready has its turn first: what they set off is written together.
            tokio::task::yield_now().await;
            self.write(&mut turn);
        }
    }
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flusher")
    }
}
