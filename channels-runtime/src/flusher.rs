//! The one writer of all sockets: a ring of connections that have something to send.
//!
//! A send only puts the shared frame into each member's outbound queue, and a connection that had nothing to send goes
//! to the end of the ring. The flusher takes connections from the front, writes each one once with all that waits for
//! it, and before every [`TURN`] of them lets the readers run. So what arrives while the ring goes round rides along with
//! the rest of the round, and a busy socket gets many frames in one call; and a room of a thousand members wakes one
//! task, not a thousand.
//!
//! (A task for each connection joins as well, but a thousand woken tasks overflow tokio's local run queue of 256, and
//! the tail of the latency with it. Writing the whole ring without a pause halves the joining.)

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::connection::{Connection, ConnectionCounters, Limits};
use crate::layer::ChannelLayer;

/// How many connections are written between two turns of the readers. With 32, what Redis answers meanwhile came too late to ride
/// along, and a delivery over pub/sub cost a tenth more; 8 gained nothing more.
const TURN: usize = 16;

/// The ring. Its bound is the number of open connections: each is in it at most once.
pub(crate) struct Flusher {
    ring: Mutex<Ring>,
    /// Every connection holds its flusher, so what they all share is here.
    layer: ChannelLayer,
    limits: Limits,
    counters: ConnectionCounters,
}

#[derive(Default)]
struct Ring {
    connections: VecDeque<Arc<Connection>>,
    task: Option<Waker>,
}

impl Flusher {
    /// A flusher whose task ends when `stop` is done. The task must outlive all connections: without it nothing is sent.
    pub(crate) fn new(layer: ChannelLayer, limits: Limits) -> Arc<Self> {
        Arc::new(Self { ring: Mutex::default(), layer, limits, counters: ConnectionCounters::default() })
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

    /// Puts a connection at the end of the ring. It must not be in it already.
    pub(crate) fn push(&self, connection: Arc<Connection>) {
        let mut ring = self.lock();
        ring.connections.push_back(connection);
        if let Some(task) = ring.task.take() {
            task.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        #[cfg(test)]
        crate::interleaving::point_before(&self.ring);
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, turn: &mut Vec<Arc<Connection>>) {
        let mut ring = self.lock();
        let many = ring.connections.len().min(TURN);
        turn.extend(ring.connections.drain(..many));
    }

    /// Writes until `stop` is done.
    pub(crate) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut turn = Vec::with_capacity(TURN);
        loop {
            let stopped = poll_fn(|cx| {
                let mut ring = self.lock();
                if !ring.connections.is_empty() {
                    return Poll::Ready(false);
                }
                ring.task = Some(cx.waker().clone());
                drop(ring);
                stop.as_mut().poll(cx).map(|()| true)
            })
            .await;
            if stopped {
                return;
            }
            // Whoever is ready has its turn first: what they set off is written together.
            tokio::task::yield_now().await;
            self.take(&mut turn);
            for connection in turn.drain(..) {
                if connection.flush() {
                    self.push(connection);
                }
            }
        }
    }
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flusher")
    }
}
