//! A queue of jobs in Redis, shared one by one by the workers of all processes.
//!
//! Redis sends each job to one of the waiting workers. A worker pops a job only when it has no other, so no job waits here
//! while another worker is idle. channels_redis also keeps a copy of each job under a second key, and later puts it back into
//! the queue. That would run jobs of other workers twice, so no layer here does it.

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
use crate::layer::redis::clock;
use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::host::Host;
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pipeline::run_pipeline;
use crate::layer::redis::pop::{PoppedEntry, QueueEntry, pop_oldest};
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;
use crate::layer::redis::tasks::Spawner;

/// The time for which Redis waits for a job before it replies that the queue is empty. Stopping a worker takes up to this time.
const BLOCK: Duration = Duration::from_secs(1);

/// A job that was popped.
pub(super) struct PoppedJob {
    pub(super) entry: QueueEntry,
    /// The time of the server when it popped the entry, in seconds since 1970. `None` if the queue does not request it.
    pub(super) popped_at: Option<f64>,
}

/// Opens a job. Counts a job that is not valid or has expired, and returns `None`.
pub(super) type OpenJob = Box<dyn Fn(PoppedJob) -> Option<Envelope> + Send>;

/// The queue of a worker's channel on all servers that hold a part of it.
pub(super) struct RedisWorkerQueue {
    open: OpenJob,
    servers: Vec<ServerQueue>,
    /// The server to poll first. It changes after each job, so that no server is preferred.
    next: usize,
    put_back: Option<PutBack>,
}

/// Returns the jobs that were sent to a dropped worker to the queue.
pub(super) struct PutBack {
    pub(super) spawner: Spawner,
    /// The time for which Redis keeps the queue then.
    pub(super) expiry: Duration,
}

/// The queue on one server. A pop in flight is kept while no caller polls, because its reply may be a job. So with several
/// servers, this process may hold one job of each server.
struct ServerQueue {
    popping: Option<Pop>,
    idle: Option<QueueConnection>,
}

type Pop = BoxFuture<'static, (QueueConnection, Option<PoppedJob>)>;

/// A connection to a queue, opened on first use and after a loss.
struct QueueConnection {
    host: Arc<Host>,
    queue: String,
    /// Whether a pop also requests the time of the server.
    requests_time: bool,
    connection: Option<MultiplexedConnection>,
    backoff: ReconnectBackoff,
    /// The current failure was logged: the connection is lost, or the key does not hold a queue.
    logged: bool,
    counters: Arc<Counters>,
}

impl QueueConnection {
    /// Pops the oldest entry. Returns `None` if the queue was empty for [`BLOCK`], or after a failure.
    async fn pop(mut self) -> (Self, Option<PoppedJob>) {
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

    async fn try_pop(&mut self) -> Result<Option<PoppedJob>, ConnectionError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => empty.insert(self.host.blocking_connection().await?),
        };
        let mut pop = Pipeline::with_capacity(3);
        pop.add_command(pop_oldest(&self.queue, BLOCK));
        if self.requests_time {
            pop.cmd("TIME");
        }
        let mut replies = timeout(BLOCK + DEADLINE, run_pipeline(&mut pop, connection)).await??.into_iter();
        let popped = replies.next().ok_or(ConnectionError::OutOfStep)??;
        let Some((_, message, score)): Option<PoppedEntry> =
            redis::from_redis_value(popped).map_err(RedisError::from)?
        else {
            return Ok(None);
        };
        let popped_at = match replies.next() {
            Some(time) => {
                let (seconds, micros): (u64, u32) = redis::from_redis_value(time?).map_err(RedisError::from)?;
                Some(seconds as f64 + f64::from(micros) / 1e6)
            }
            None => None,
        };
        Ok(Some(PoppedJob { entry: (message, score), popped_at }))
    }
}

impl QueueConnection {
    /// Returns a job that no worker has begun to the queue, at its old position.
    async fn put_back(&mut self, (message, score): QueueEntry, expiry: u64) {
        let Some(connection) = &mut self.connection else { return };
        let mut put_back = Pipeline::with_capacity(3);
        put_back.cmd("ZADD").arg(&self.queue).arg(score).arg(message);
        put_back.cmd("EXPIRE").arg(&self.queue).arg(expiry);
        let outcome = async {
            let replies = timeout(DEADLINE, run_pipeline(&mut put_back, connection)).await??;
            replies.into_iter().next().ok_or(ConnectionError::OutOfStep)??;
            Ok::<_, ConnectionError>(())
        };
        if let Err(error) = outcome.await {
            self.counters.count_unread(1);
            let (host, queue) = (&self.host, &self.queue);
            tracing::warn!(redis = ?host, queue, %error, "a job of a dropped worker is lost");
        }
    }
}

/// A dropped worker has a pop in flight, which may return a job.
impl Drop for RedisWorkerQueue {
    fn drop(&mut self) {
        let Some(PutBack { spawner, expiry }) = &self.put_back else { return };
        let expiry = clock::whole_seconds(*expiry);
        for pop in self.servers.iter_mut().filter_map(|server| server.popping.take()) {
            spawner.spawn(async move {
                if let (mut connection, Some(job)) = pop.await {
                    connection.put_back(job.entry, expiry).await;
                }
            });
        }
    }
}

impl RedisWorkerQueue {
    /// Returns the queue under the key `queue` of all these servers. `requests_time` sets [`PoppedJob::popped_at`].
    /// Without `put_back`, a job that Redis sends to a dropped worker is lost.
    pub(super) fn new(
        hosts: impl Iterator<Item = Arc<Host>>,
        queue: &str,
        counters: &Arc<Counters>,
        requests_time: bool,
        put_back: Option<PutBack>,
        open: OpenJob,
    ) -> Self {
        let servers = hosts.map(|host| {
            let (queue, backoff, counters) = (queue.into(), ReconnectBackoff::new(), Arc::clone(counters));
            let idle =
                QueueConnection { host, queue, requests_time, connection: None, backoff, logged: false, counters };
            ServerQueue { popping: None, idle: Some(idle) }
        });
        Self { open, servers: servers.collect(), next: 0, put_back }
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
                if let Some(job) = popped.and_then(&self.open) {
                    self.next = index + 1;
                    return Poll::Ready(Some(job));
                }
            }
        }
        if in_flight || more { Poll::Pending } else { Poll::Ready(None) }
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

impl WorkerQueue for RedisWorkerQueue {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope> {
        self.poll(cx, true).map(|job| job.expect("`poll` with `more` returns a job"))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>> {
        self.poll(cx, false)
    }
}
