//! The messages of a general channel, taken one by one by workers of any process.
//!
//! Redis gives each message to one of those who wait. It is taken only when its worker has nothing else in its hands, so
//! that no message waits here while another worker is idle. What channels_redis does besides, to note each message in a
//! second key and to put that back later, would run jobs of other workers twice, and is not done here.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, Pipeline, RedisError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::backend::WorkerQueue;
use crate::layer::counters::Counters;
use crate::layer::redis::backoff::Backoff;
use crate::layer::redis::clock;
use crate::layer::redis::connection_error::ConnectionError;
use crate::layer::redis::core::queue::{Popped, PoppedFrom, pop_one};
use crate::layer::redis::core::state::Shared;
use crate::layer::redis::host::Host;
use crate::layer::redis::limits::DEADLINE;
use crate::layer::redis::pipeline::answers;

/// How long Redis waits for a job before it says that there is none. So long does a stop take.
const BLOCK: Duration = Duration::from_secs(1);

/// The general channel on all servers.
pub(super) struct Queues {
    shared: Arc<Shared>,
    servers: Vec<Server>,
    /// Which server is asked first, so that none is preferred.
    turn: usize,
}

/// The channel on one server, and the question that is under way there. It is not forgotten when nobody waits for the
/// answer, which may be a job: with several servers, one job of each may so be in this process's hands.
struct Server {
    waiting: Option<Taking>,
    idle: Option<Taker>,
}

type Taking = BoxFuture<'static, (Taker, Option<Popped>)>;

struct Taker {
    host: Arc<Host>,
    queue: String,
    connection: Option<MultiplexedConnection>,
    backoff: Backoff,
    /// It was said that the connection is lost, or that the key is no queue.
    told: bool,
    counters: Arc<Counters>,
}

impl Taker {
    /// Takes the oldest message. `None` if there was none for a while, or Redis was away.
    async fn take(mut self) -> (Self, Option<Popped>) {
        match self.ask().await {
            Ok(popped) => {
                self.backoff.reset();
                self.told = false;
                (self, popped)
            }
            Err(error) => {
                let (host, queue, is_new) = (&self.host, &self.queue, !std::mem::replace(&mut self.told, true));
                if error.is_of_wrong_type() {
                    // Whoever sends a job is told so, too. It may be somebody's, so it is not taken away.
                    if is_new {
                        self.counters.count_garbage(queue, &DecodeError::NoQueue);
                    }
                } else {
                    if is_new {
                        tracing::warn!(redis = ?host, queue, %error, "the connection to a worker's queue in Redis is lost; jobs wait there");
                    }
                    self.connection = None;
                }
                self.backoff.wait_after(&error).await;
                (self, None)
            }
        }
    }

    async fn ask(&mut self) -> Result<Option<Popped>, ConnectionError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.host.blocking().await?),
        };
        let mut pop = Pipeline::with_capacity(2);
        pop.add_command(pop_one(&self.queue, BLOCK));
        let answer =
            timeout(BLOCK + DEADLINE, answers(pop, connection)).await??.pop().ok_or(ConnectionError::OutOfStep)??;
        let popped: Option<PoppedFrom> = redis::from_redis_value(answer).map_err(RedisError::from)?;
        Ok(popped.map(|(_, message, score)| (message, score)))
    }
}

impl Queues {
    pub(super) fn new(shared: Arc<Shared>, hosts: impl Iterator<Item = Arc<Host>>, queue: &str) -> Self {
        let servers = hosts.map(|host| {
            let counters = Arc::clone(shared.table.counters());
            let (queue, backoff) = (queue.into(), Backoff::new());
            let taker = Taker { host, queue, connection: None, backoff, told: false, counters };
            Server { waiting: None, idle: Some(taker) }
        });
        Self { servers: servers.collect(), shared, turn: 0 }
    }

    /// The next message; `None`, if no more are asked for, once every answer is in.
    fn poll(&mut self, cx: &mut Context<'_>, ask: bool) -> Poll<Option<Envelope>> {
        let count = self.servers.len();
        let mut under_way = false;
        for at in 0..count {
            let at = (self.turn + at) % count;
            while let Some(waiting) = self.servers[at].next(ask) {
                let Poll::Ready((taker, popped)) = waiting.poll_unpin(cx) else {
                    under_way = true;
                    break;
                };
                self.servers[at] = Server { waiting: None, idle: Some(taker) };
                if let Some(job) = popped.and_then(|popped| self.read(popped)) {
                    self.turn = at + 1;
                    return Poll::Ready(Some(job));
                }
            }
        }
        if under_way || ask { Poll::Pending } else { Poll::Ready(None) }
    }

    fn read(&self, (message, score): Popped) -> Option<Envelope> {
        let (shared, counters) = (&self.shared, self.shared.table.counters());
        if score <= clock::cutoff(clock::now(), shared.config.expiry) {
            counters.count_expired();
            return None;
        }
        let body = shared.codec.open(Bytes::from(message));
        // A message that came through a group says that it is for this channel, and nothing else can be meant.
        let read = body.and_then(|body| {
            let (envelope, _) = Envelope::from_shared_queue(&body, shared.codec.format())?;
            Ok(envelope)
        });
        read.map_err(|error| counters.count_garbage("a worker's queue", &error)).ok()
    }
}

impl Server {
    fn next(&mut self, ask: bool) -> Option<&mut Taking> {
        if self.waiting.is_none() && ask {
            self.waiting = self.idle.take().map(|taker| taker.take().boxed());
        }
        self.waiting.as_mut()
    }
}

impl WorkerQueue for Queues {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Envelope> {
        self.poll(cx, true).map(|job| job.expect("more are asked for"))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Envelope>> {
        self.poll(cx, false)
    }
}
