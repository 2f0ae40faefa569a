//! The queue of this process on one Redis server: one connection, and the task that empties the queue.
//!
//! All channels of the process share the queue, so the task empties it without waiting for slow consumers: the messages wait
//! in the mailboxes of this process, each with its own bound. A Python process takes one message at a time and keeps a copy
//! under a second key until it is delivered. Only this process reads the queue, so neither is necessary here.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{self, FromRedisValue, Pipeline, RedisResult, Value, cmd};
use tokio::time::timeout;

use crate::error::DecodeError;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE};
use crate::layer::redis::core::memberships::Memberships;
use crate::layer::redis::core::queue_entry::{PoppedEntry, QueueEntry, open_entry, pop_oldest};
use crate::layer::redis::core::state::CoreState;
use crate::layer::redis::host::Host;
use crate::layer::redis::last_error::LastError;
use crate::layer::redis::limits::{DEADLINE, TURN};
use crate::layer::redis::pipeline::run_pipeline;
use crate::layer::redis::reconnect_backoff::ReconnectBackoff;

/// The time for which Redis waits for a message before it replies that the queue is empty. Until then, Redis may send a message
/// to a connection that was closed without Redis noticing.
const BLOCK: Duration = Duration::from_secs(2);

/// The delay of a reply after which this connection is unresponsive, if a new connection gets a reply. Long enough to receive
/// many large messages, because the messages in flight are lost when the connection is discarded.
const LATE: Duration = Duration::from_secs(2);

/// The number of further messages that are popped together with the first one.
const BATCH: usize = 127;

/// Empties the queue until the future is dropped. Reconnects when the connection is lost.
pub(super) async fn run(
    host: Arc<Host>,
    state: Arc<CoreState>,
    memberships: Arc<Memberships>,
    last_error: Arc<LastError>,
) {
    let mut backoff = ReconnectBackoff::new();
    let mut lost = false;
    loop {
        let Err(error) = empty_queue(&host, &state, &memberships, &last_error, &mut backoff, &mut lost).await;
        let error = Arc::new(error);
        last_error.set(&error);
        if std::mem::replace(&mut lost, true) {
            tracing::debug!(redis = ?host, %error, "still no connection to the process's queue in Redis");
        } else {
            tracing::warn!(redis = ?host, %error, "lost the connection to the process's queue in Redis; messages wait there");
            state.table.lost();
        }
        host.lost();
        backoff.wait_after(&error).await;
    }
}

/// Connects, and empties the queue until the connection is lost.
async fn empty_queue(
    host: &Host,
    state: &CoreState,
    memberships: &Memberships,
    last_error: &LastError,
    backoff: &mut ReconnectBackoff,
    lost: &mut bool,
) -> Result<Infallible, ConnectionError> {
    let mut connection = host.blocking_connection().await?;
    let queue = state.own_queue();
    // Pops the messages that waited during the gap, without blocking. The reply also proves that the connection works.
    let mut pop_waiting = Pipeline::with_capacity(2);
    pop_waiting.cmd("ZPOPMIN").arg(&queue).arg(BATCH + 1);
    let [waiting] = replies(timeout(DEADLINE, run_pipeline(&mut pop_waiting, &mut connection)).await??)?;
    let waiting = match waiting.and_then(parse::<Vec<QueueEntry>>) {
        Err(error) if error.code() == Some(WRONG_TYPE) => {
            // The key belongs to this process alone. No other program would remove the value, which blocks all messages.
            state.table.counters().count_garbage(&queue, &DecodeError::NoQueue);
            timeout(DEADLINE, cmd("DEL").arg(&queue).exec_async(&mut connection)).await??;
            Vec::new()
        }
        waiting => waiting?,
    };
    deliver_all(state, &queue, waiting).await;
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
        loop {
            // One round trip: Redis executes the second command when the first has an entry, or has waited for `BLOCK`.
            let mut pop = Pipeline::with_capacity(3);
            pop.add_command(pop_oldest(&queue, BLOCK));
            pop.cmd("ZPOPMIN").arg(&queue).arg(BATCH);
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
            let [first, more] = replies(popped)?;
            // The second command may have popped entries even if Redis refused the first.
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
            deliver_all(state, &queue, first.into_iter().chain(more)).await;
            if let Some(error) = refused {
                return Err(error.into());
            }
            backoff.reset();
            last_error.clear();
        }
    };
    tokio::select! {
        // Ends only with an error, after which the connection is not used again.
        lost = pop => lost,
        // Never ends. If it is dropped before it has restored the layer, the gap continues.
        never = restore => never,
    }
}

/// Returns the replies to a pipeline of `N` commands.
fn replies<const N: usize>(replies: Vec<RedisResult<Value>>) -> Result<[RedisResult<Value>; N], ConnectionError> {
    replies.try_into().map_err(|_| ConnectionError::OutOfStep)
}

fn parse<T: FromRedisValue>(reply: Value) -> RedisResult<T> {
    Ok(redis::from_redis_value(reply)?)
}

/// Delivers messages to the mailboxes of this process, and lets other tasks run in between.
async fn deliver_all(state: &CoreState, queue: &str, entries: impl IntoIterator<Item = QueueEntry, IntoIter: Send>) {
    for (index, entry) in entries.into_iter().enumerate() {
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
