//! The write queue for all sockets: the connections with pending output.
//!
//! A send only puts the frame into each member's outbound queue. It appends a connection to the write queue if the connection
//! did not have pending output. The task of the write queue takes connections from the front, and writes each one once, with all
//! of its pending output. Before every turn of [`TURN`] connections, it yields to the tasks that read from sockets. So output
//! that arrives while a connection waits for its turn is written together, and a busy socket receives many frames in one system
//! call. A send to a group of a thousand members wakes one task instead of a thousand, and locks the write queue once for every
//! 64 members.
//!
//! Writing to a group of ten thousand members takes a tenth of a second. A reply to one client must not wait for that, so there
//! are two queues, one for each [`WritePriority`], and each turn takes from both.
//!
//! Two alternatives are worse. With a task per connection, a thousand woken tasks overflow tokio's local run queue of 256
//! tasks, which raises the highest latencies. Writing the whole queue without a pause halves the number of frames per system
//! call.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use crate::layer::{OutputQueue, TURN, Writable, Writables, WritePriority};
use crate::support::{lock, wake};

/// The connections with pending output. Bound: each open connection is in each of the two queues at most once.
#[derive(Default)]
pub(crate) struct WriteQueue {
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    interactive: VecDeque<Arc<dyn Writable>>,
    bulk: VecDeque<Arc<dyn Writable>>,
    task: Option<Waker>,
}

impl Pending {
    fn of(&mut self, priority: WritePriority) -> &mut VecDeque<Arc<dyn Writable>> {
        match priority {
            WritePriority::Interactive => &mut self.interactive,
            WritePriority::Bulk => &mut self.bulk,
        }
    }

    #[cfg(test)]
    fn assert_unique(&mut self, priority: WritePriority) {
        let address = |connection: &Arc<dyn Writable>| Arc::as_ptr(connection).cast::<()>();
        let addresses: std::collections::HashSet<_> = self.of(priority).iter().map(address).collect();
        assert_eq!(addresses.len(), self.of(priority).len(), "a connection is in the queue twice");
    }
}

/// The connections of one turn, each with the queue that it was taken from.
type Turn = Vec<(Arc<dyn Writable>, WritePriority)>;

impl WriteQueue {
    /// Appends a connection, which must not already be in the queue of this priority.
    pub(crate) fn push(&self, connection: Arc<dyn Writable>, priority: WritePriority) {
        let mut pending = self.lock();
        pending.of(priority).push_back(connection);
        #[cfg(test)]
        pending.assert_unique(priority);
        wake(&mut pending.task);
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        #[cfg(test)]
        crate::support::point_before(&self.pending);
        lock(&self.pending)
    }

    /// Takes the connections of the next turn. Each queue gets at least half of the turn, if it has enough connections.
    fn take(&self, turn: &mut Turn) {
        let pending = &mut *self.lock();
        let interactive = pending.interactive.len().min(TURN - pending.bulk.len().min(TURN / 2));
        let bulk = pending.bulk.len().min(TURN - interactive);
        let interactive = pending.interactive.drain(..interactive);
        turn.extend(interactive.map(|connection| (connection, WritePriority::Interactive)));
        turn.extend(pending.bulk.drain(..bulk).map(|connection| (connection, WritePriority::Bulk)));
    }

    /// Takes the next turn, and writes to its connections.
    pub(super) fn write(&self, turn: &mut Turn) {
        self.take(turn);
        for (connection, priority) in turn.drain(..) {
            if connection.flush(priority) {
                self.push(connection, priority);
            }
        }
    }

    /// Runs the write queue until `stop` completes. Connections rely on it to write, so it must outlive all of them.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut turn = Vec::with_capacity(TURN);
        loop {
            let stopped = poll_fn(|cx| {
                let mut pending = self.lock();
                if !(pending.interactive.is_empty() && pending.bulk.is_empty()) {
                    return Poll::Ready(false);
                }
                pending.task = Some(cx.waker().clone());
                drop(pending);
                stop.as_mut().poll(cx).map(|()| true)
            })
            .await;
            if stopped {
                return;
            }
            // Other ready tasks run first, so that one write carries their output.
            tokio::task::yield_now().await;
            self.write(&mut turn);
        }
    }
}

impl OutputQueue for WriteQueue {
    fn append(&self, connections: &mut Writables, priority: WritePriority) {
        let mut pending = self.lock();
        pending.of(priority).extend(connections.drain(..));
        #[cfg(test)]
        pending.assert_unique(priority);
        wake(&mut pending.task);
    }
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteQueue")
    }
}
