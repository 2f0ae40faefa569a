//! The queue of this process on one Redis server: one connection, and the task that empties the queue.
//!
//! All channels of the process share the queue, so the task empties it without waiting for slow consumers: the messages wait
//! in the mailboxes of this process, each with its own bound. A Python process takes one message at a time and keeps a copy
//! under a second key until it is delivered. Only this process reads the queue, so neither is necessary here.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{self, Cmd, FromRedisValue, Pipeline, RedisResult, Value, cmd};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::DecodeError;
use crate::layer::redis::clock;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE};
use crate::layer::redis::core::clock_check::{ClockChange, ClockCheck};
use crate::layer::redis::core::memberships::Memberships;
use crate::layer::redis::core::queue_entry::open_entry;
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::host::Host;
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::{DEADLINE, TURN};
use crate::layer::redis::pipeline::run_pipeline;
use crate::layer::redis::pop::{PoppedEntry, QueueEntry, pop_oldest};
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;

/// The time for which Redis waits for a message before it replies that the queue is empty. Until then, Redis may send a message
/// to a connection that was closed without Redis noticing.
const BLOCK: Duration = Duration::from_secs(2);

/// The delay of a reply after which this connection is unresponsive, if a new connection gets a reply. Long enough to receive
/// many large messages, because the messages in flight are lost when the connection is discarded.
const LATE: Duration = Duration::from_secs(2);

/// The number of further messages that are popped together with the first one.
const BATCH: usize = 127;

/// The entry that wakes the reader of a queue. It is not a message, and its reader ignores it.
const WAKE: &[u8] = b"wake";

/// Returns the command that adds the entry which wakes the reader of this queue.
pub(super) fn wake(queue: &str) -> Cmd {
    let mut wake = cmd("ZADD");
    wake.arg(queue).arg(clock::now()).arg(WAKE);
    wake
}

/// Returns the command that removes the entry of [`wake`].
pub(super) fn remove_wake(queue: &str) -> Cmd {
    let mut remove = cmd("ZREM");
    remove.arg(queue).arg(WAKE);
    remove
}

/// The reader of a process's queue on one server.
pub(super) struct QueueReader {
    pub(super) host: Arc<Host>,
    pub(super) state: Arc<CoreState>,
    pub(super) memberships: Arc<Memberships>,
    pub(super) last_error: Arc<LastError>,
    pub(super) clock: ClockCheck,
    /// Cancelled when the layer closes. Then the reader ends with its next pop.
    pub(super) closed: CancellationToken,
}

/// The reason why a reader ends without an error.
struct Closed;

impl QueueReader {
    /// Empties the queue until the layer closes. Reconnects when the connection is lost.
    ///
    /// # Cancel safety
    /// Dropping the future loses the messages that Redis sends to it meanwhile. So the layer first [wakes](wake) the reader, and
    /// waits until its last pop has arrived.
    pub(super) async fn run(self) {
        let mut backoff = ReconnectBackoff::new();
        let mut lost = false;
        while !self.closed.is_cancelled() {
            let Err(error) = self.empty_queue(&mut backoff, &mut lost).await else { return };
            let (redis, error) = (&self.host, Arc::new(error));
            self.last_error.set(&error);
            if std::mem::replace(&mut lost, true) {
                tracing::debug!(redis = ?redis, %error, "still no connection to the process's queue in Redis");
            } else {
                tracing::warn!(redis = ?redis, %error, "lost the connection to the process's queue in Redis; messages wait there");
                self.state.table.lost();
            }
            self.host.lost();
            backoff.wait_after(&error).await;
        }
    }

    /// Connects, and empties the queue until the layer closes or the connection is lost.
    async fn empty_queue(&self, backoff: &mut ReconnectBackoff, lost: &mut bool) -> Result<Closed, ConnectionError> {
        let Self { host, state, memberships, last_error, .. } = self;
        let mut connection = host.blocking_connection().await?;
        let queue = state.own_queue();
        // Pops the messages that waited during the gap. Does not block, because the queue has an entry. The reply also proves that
        // the connection works, and that Redis allows the commands.
        let mut first_pop = Pipeline::with_capacity(5);
        first_pop.add_command(wake(&queue)).ignore();
        add_pop(&mut first_pop, &queue);
        let popped = timeout(DEADLINE, run_pipeline(&mut first_pop, &mut connection)).await??;
        match self.deliver_popped(&queue, popped).await {
            Err(ConnectionError::Redis(error)) if error.code() == Some(WRONG_TYPE) => {
                // The key belongs to this process alone. No other program would remove the value, which blocks all messages.
                state.table.counters().count_garbage(&queue, &DecodeError::NoQueue);
                timeout(DEADLINE, cmd("DEL").arg(&queue).exec_async(&mut connection)).await??;
            }
            popped => popped?,
        }
        // The server may have restarted without its data.
        memberships.on_reconnect();
        let restore = async {
            if *lost {
                memberships.settled().await;
                tracing::info!(redis = ?host, "the process's queue and its memberships in Redis restored");
                last_error.clear();
                state.table.restored();
                *lost = false;
            }
            std::future::pending().await
        };
        let pop = async {
            while !self.closed.is_cancelled() {
                let mut pop = Pipeline::with_capacity(4);
                add_pop(&mut pop, &queue);
                let mut popping = pin!(run_pipeline(&mut pop, &mut connection));
                let popped = match timeout(BLOCK + LATE, &mut popping).await {
                    Ok(popped) => popped?,
                    Err(_) => tokio::select! {
                        biased;
                        popped = timeout(DEADLINE - LATE, &mut popping) => popped??,
                        // When the reply comes first, this is dropped, which closes the new connection.
                        _ = host.replacement(Duration::ZERO) => return Err(ConnectionError::Unresponsive),
                    },
                };
                self.deliver_popped(&queue, popped).await?;
                backoff.reset();
                last_error.clear();
            }
            Ok(Closed)
        };
        tokio::select! {
            // Ends with an error, after which the connection is not used again, or when the layer has closed.
            ended = pop => ended,
            // Never ends. If it is dropped before it has restored the layer, the gap continues.
            never = restore => never,
        }
    }

    /// Delivers the entries in the replies to [`add_pop`], which are the last three. Returns an error of one of them afterwards: the
    /// second command may have popped entries even if Redis refused the first.
    async fn deliver_popped(&self, queue: &str, mut replies: Vec<RedisResult<Value>>) -> Result<(), ConnectionError> {
        let (Some(time), Some(more), Some(first)) = (replies.pop(), replies.pop(), replies.pop()) else {
            return Err(ConnectionError::OutOfStep);
        };
        // Without an error: the user in Redis may not be allowed to read the clock.
        if let Ok((seconds, micros)) = time.and_then(parse::<(f64, f64)>) {
            self.check_clock(seconds + micros / 1e6);
        }
        let mut refused = None;
        let first = first.and_then(parse::<Option<PoppedEntry>>).unwrap_or_else(|error| {
            refused = Some(error);
            None
        });
        let more = more.and_then(parse::<Vec<QueueEntry>>).unwrap_or_else(|error| {
            refused = Some(error);
            Vec::new()
        });
        let first = first.map(|(_, message, score)| (message, score));
        deliver_all(&self.state, queue, first.into_iter().chain(more)).await;
        refused.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl QueueReader {
    /// Compares the clocks. Logs and counts a difference when it begins, and logs its end.
    fn check_clock(&self, server: f64) {
        let Self { host: redis, state, clock, .. } = self;
        let expiry = state.config.expiry.as_secs();
        match clock.check(server, clock::now()) {
            Some(ClockChange::Off(offset)) => {
                state.table.counters().count_clock_off();
                tracing::warn!(
                    redis = ?redis,
                    offset = offset.round(),
                    expiry,
                    "this process's clock and the clock of Redis differ; messages and memberships may be lost"
                );
            }
            Some(ClockChange::Right(offset)) => {
                tracing::info!(
                    redis = ?redis,
                    offset = offset.round(),
                    "this process's clock and the clock of Redis agree again"
                );
            }
            None => {}
        }
    }
}

/// Adds the commands that pop entries and read the clock. They take one round trip: Redis executes the second command when the
/// first has an entry, or has waited for [`BLOCK`].
fn add_pop(pipeline: &mut Pipeline, queue: &str) {
    pipeline.add_command(pop_oldest(queue, BLOCK));
    pipeline.cmd("ZPOPMIN").arg(queue).arg(BATCH);
    pipeline.cmd("TIME");
}

fn parse<T: FromRedisValue>(reply: Value) -> RedisResult<T> {
    Ok(redis::from_redis_value(reply)?)
}

/// Delivers messages to the mailboxes of this process, and lets other tasks run in between.
async fn deliver_all(state: &CoreState, queue: &str, entries: impl IntoIterator<Item = QueueEntry, IntoIter: Send>) {
    for (index, entry) in entries.into_iter().filter(|(message, _)| message != WAKE).enumerate() {
        open_entry(state, queue, entry, |envelope, channels| {
            if channels.is_empty() {
                return Err(DecodeError::NoChannel);
            }
            state.table.send_many(channels, &envelope);
            Ok(())
        });
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
}
