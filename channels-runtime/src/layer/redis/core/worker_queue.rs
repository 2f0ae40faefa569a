//! The messages of a general channel, shared one by one with the workers of all processes.
//!
//! Redis sends each message to one of the waiting workers. A worker pops a message only when it has no other, so no message
//! waits here while another worker is idle. channels_redis also keeps a copy of each message under a second key, and later
//! puts it back into the queue. That would run jobs of other workers twice, so this layer does not do it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, Pipeline, RedisError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::backend::WorkerQueue;
use crate::layer::counters::Counters;
use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::core::queue_entry::{PoppedEntry, QueueEntry, open_entry, pop_oldest};
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::host::Host;
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pipeline::run_pipeline;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;

/// The time for which Redis waits for a job before it replies that the queue is empty. Stopping a worker takes up to this time.
const BLOCK: Duration = Duration::from_secs(1);

/// The queue of a general channel on all servers.
pub(super) struct CoreWorkerQueue {
    state: Arc<CoreState>,
    servers: Vec<ServerQueue>,
    /// The server to poll first. It changes after each job, so that no server is preferred.
    next: usize,
}

/// The queue on one server. A pop in flight is kept while no caller polls, because its reply may be a job. So with several
/// servers, this process may hold one job of each server.
struct ServerQueue {
    popping: Option<Pop>,
    idle: Option<QueueConnection>,
}

type Pop = BoxFuture<'static, (QueueConnection, Option<QueueEntry>)>;

/// A connection to a queue, opened on first use and after a loss.
struct QueueConnection {
    host: Arc<Host>,
    queue: String,
    connection: Option<MultiplexedConnection>,
    backoff: ReconnectBackoff,
    /// The current failure was logged: the connection is lost, or the key does not hold a queue.
    logged: bool,
    counters: Arc<Counters>,
}

impl QueueConnection {
    /// Pops the oldest entry. Returns `None` if the queue was empty for [`BLOCK`], or after a failure.
    async fn pop(mut self) -> (Self, Option<QueueEntry>) {
        match self.try_pop().await {
            Ok(popped) => {
                self.backoff.reset();
                self.logged = false;
                (self, popped)
            }
            Err(error) => {
                let (host, queue, is_new) = (&self.host, &self.queue, !std::mem::replace(&mut self.logged, true));
                if error.is_of_wrong_type() {
                    // The value may belong to another program, so it is not deleted. Senders of jobs get an error, too.
                    if is_new {
                        self.counters.count_garbage(queue, &DecodeError::NoQueue);
                    }
                } else {
                    if is_new {
                        tracing::warn!(
                            redis = ?host,
                            queue,
                            %error,
                            "lost the connection to a worker's queue in Redis; jobs wait there"
                        );
                    }
                    self.connection = None;
                }
                self.backoff.wait_after(&error).await;
                (self, None)
            }
        }
    }

    async fn try_pop(&mut self) -> Result<Option<QueueEntry>, ConnectionError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => empty.insert(self.host.blocking_connection().await?),
        };
        let mut pop = Pipeline::with_capacity(2);
        pop.add_command(pop_oldest(&self.queue, BLOCK));
        let mut replies = timeout(BLOCK + DEADLINE, run_pipeline(&mut pop, connection)).await??;
        let reply = replies.pop().ok_or(ConnectionError::OutOfStep)??;
        let popped: Option<PoppedEntry> = redis::from_redis_value(reply).map_err(RedisError::from)?;
        Ok(popped.map(|(_, message, score)| (message, score)))
    }
}

impl CoreWorkerQueue {
    pub(super) fn new(state: Arc<CoreState>, hosts: impl Iterator<Item = Arc<Host>>, queue: &str) -> Self {
        let servers = hosts.map(|host| {
            let counters = Arc::clone(state.table.counters());
            let (queue, backoff) = (queue.into(), ReconnectBackoff::new());
            let idle = QueueConnection { host, queue, connection: None, backoff, logged: false, counters };
            ServerQueue { popping: None, idle: Some(idle) }
        });
        Self { servers: servers.collect(), state, next: 0 }
    }

    /// Returns the next job. If `more` is false, does not begin a pop, and returns `None` once no pop is in flight.
    fn poll(&mut self, cx: &mut Context<'_>, more: bool) -> Poll<Option<Envelope>> {
        let count = self.servers.len();
        let mut in_flight = false;
        for offset in 0..count {
            let index = (self.next + offset) % count;
            while let Some(pop) = self.servers[index].pop(more) {
                let Poll::Ready((connection, popped)) = pop.poll_unpin(cx) else {
                    in_flight = true;
                    break;
                };
                self.servers[index] = ServerQueue { popping: None, idle: Some(connection) };
                if let Some(job) = popped.and_then(|entry| self.open(entry)) {
                    self.next = index + 1;
                    return Poll::Ready(Some(job));
                }
            }
        }
        if in_flight || more { Poll::Pending } else { Poll::Ready(None) }
    }

    fn open(&self, entry: QueueEntry) -> Option<Envelope> {
        // Only this channel uses the queue, so the channel names of a message to a group are not checked.
        open_entry(&self.state, "a worker's queue", entry, |envelope, _| Ok(envelope))
    }
}

impl ServerQueue {
    /// Returns the pop in flight. If `more` is true and no pop is in flight, begins one.
    fn pop(&mut self, more: bool) -> Option<&mut Pop> {
        if self.popping.is_none() && more {
            self.popping = self.idle.take().map(|connection| connection.pop().boxed());
        }
        self.popping.as_mut()
    }
}

impl WorkerQueue for CoreWorkerQueue {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope> {
        self.poll(cx, true).map(|job| job.expect("`poll` with `more` returns a job"))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>> {
        self.poll(cx, false)
    }
}
