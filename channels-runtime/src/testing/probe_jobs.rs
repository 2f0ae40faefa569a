//! The queues of worker channels in a test: the workers of all simulated processes share them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::codec::Envelope;
use crate::layer::{Full, LayerConfig, LocalTable, WorkerQueue};
use crate::support::lock;

/// The queue of a worker channel.
#[derive(Default)]
pub(super) struct JobQueue {
    state: Mutex<State>,
}

/// The waiting jobs. Bound: the capacity of the worker that last started. Policy: a further job is dropped. Its sender gets an
/// error if the layer can return one.
#[derive(Default)]
struct State {
    jobs: VecDeque<(Instant, Envelope)>,
    capacity: usize,
    expiry: Duration,
    /// The number of open [`ProbeWorkerQueue`]s.
    workers: usize,
    /// The workers that found no job, in the order in which they began to wait.
    waiting: Vec<Waker>,
}

impl JobQueue {
    /// Opens the queue for a worker of the process with this table.
    pub(super) fn open(
        self: &Arc<Self>,
        channel: &str,
        config: &LayerConfig,
        table: &Arc<LocalTable>,
    ) -> ProbeWorkerQueue {
        let mut state = lock(&self.state);
        state.workers += 1;
        (state.capacity, state.expiry) = (config.capacity_of(channel), config.expiry);
        ProbeWorkerQueue { queue: Arc::clone(self), table: Arc::clone(table) }
    }

    /// Returns whether a worker reads the queue.
    pub(super) fn has_worker(&self) -> bool {
        lock(&self.state).workers > 0
    }

    /// Adds a job. `first` chooses the waiting worker that is woken first.
    pub(super) fn push(&self, job: &Envelope, first: impl FnOnce(usize) -> usize) -> Result<(), Full> {
        let mut state = lock(&self.state);
        let expiry = state.expiry;
        // The worker counts expired jobs when it takes the next one. Here they only make space.
        let is_alive = |(at, _): &&(Instant, Envelope)| at.elapsed() < expiry;
        if state.jobs.iter().filter(is_alive).count() >= state.capacity {
            return Err(Full { capacity: state.capacity });
        }
        state.jobs.push_back((Instant::now(), job.clone()));
        // All of them, because the first one may be dropped before it takes the job.
        let mut waiting = std::mem::take(&mut state.waiting);
        drop(state);
        if !waiting.is_empty() {
            let first = first(waiting.len());
            waiting.rotate_left(first);
        }
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

/// A worker's end of a queue.
pub(super) struct ProbeWorkerQueue {
    queue: Arc<JobQueue>,
    /// Counts the expired jobs.
    table: Arc<LocalTable>,
}

impl WorkerQueue for ProbeWorkerQueue {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope> {
        let mut state = lock(&self.queue.state);
        while let Some((at, job)) = state.jobs.pop_front() {
            if at.elapsed() < state.expiry {
                return Poll::Ready(job);
            }
            self.table.counters().count_expired();
        }
        if !state.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn poll_rest(&mut self, _: &mut Context<'_>) -> Poll<Option<Envelope>> {
        // A job is taken when it is returned, so none is held back.
        Poll::Ready(None)
    }
}

impl Drop for ProbeWorkerQueue {
    fn drop(&mut self) {
        lock(&self.queue.state).workers -= 1;
    }
}
