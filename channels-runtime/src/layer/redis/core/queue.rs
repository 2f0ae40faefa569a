//! The queue of this process on one Redis server: one connection, and the task that empties it.
//!
//! All channels of the process share the queue, so it is emptied at once, whoever is slow: the messages wait in the
//! mailboxes of this process, each with a bound of its own. Python processes take one message at a time, and note it in a
//! second key until they have it; nobody else reads this queue, so neither is needed here.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::{self, FromRedisValue, Pipeline, RedisResult, Value, cmd};
use tokio::time::timeout;

use crate::codec::Envelope;
use crate::error::DecodeError;
use crate::layer::redis::backoff::Backoff;
use crate::layer::redis::clock;
use crate::layer::redis::connection_error::{ConnectionError, WRONG_TYPE};
use crate::layer::redis::core::memberships::Memberships;
use crate::layer::redis::core::state::Shared;
use crate::layer::redis::host::Host;
use crate::layer::redis::limits::{DEADLINE, TURN};
use crate::layer::redis::pipeline::answers;

/// How long Redis waits for a message before it says that there is none. So long, too, Redis may hand out a message to a connection that it does not know to be gone.
const BLOCK: Duration = Duration::from_secs(2);

/// When an answer is this late, and a new connection is answered, then the line of this one is dead. Long enough for many large
/// messages to come in, because those that are under way are lost then.
const LATE: Duration = Duration::from_secs(2);

/// How many more messages are taken with the one that was waited for.
const BATCH: usize = 127;

/// An entry of a queue: the message and its score.
pub(super) type Popped = (Vec<u8>, f64);

/// The same, with the name of the queue.
pub(super) type PoppedFrom = (String, Vec<u8>, f64);

/// Empties the queue until it is dropped; connects again when the connection is lost.
pub(super) async fn run(host: Arc<Host>, shared: Arc<Shared>, memberships: Arc<Memberships>) {
    let mut backoff = Backoff::new();
    let mut lost = false;
    loop {
        let Err(error) = connected(&host, &shared, &memberships, &mut backoff, &mut lost).await;
        if std::mem::replace(&mut lost, true) {
            tracing::debug!(redis = ?host, %error, "the process's queue in Redis is still lost");
        } else {
            tracing::warn!(redis = ?host, %error, "the connection to the process's queue in Redis is lost; messages wait there");
            shared.table.lost();
        }
        host.forget_idle();
        backoff.wait_after(&error).await;
    }
}

async fn connected(
    host: &Host,
    shared: &Shared,
    memberships: &Memberships,
    backoff: &mut Backoff,
    lost: &mut bool,
) -> Result<std::convert::Infallible, ConnectionError> {
    let mut connection = host.blocking().await?;
    let queue = shared.own_queue();
    // What waited meanwhile, at once; and a connection that can do this much works.
    let mut pop_waiting = Pipeline::with_capacity(2);
    pop_waiting.cmd("ZPOPMIN").arg(&queue).arg(BATCH + 1);
    let [waited] = asked(timeout(DEADLINE, answers(pop_waiting, &mut connection)).await??)?;
    let waited = match waited.and_then(of::<Vec<Popped>>) {
        Err(error) if error.code() == Some(WRONG_TYPE) => {
            // The key is of this process alone. Nobody else would take away what is there, and nothing could be sent here.
            shared.table.counters().count_garbage(&queue, &DecodeError::NoQueue);
            timeout(DEADLINE, cmd("DEL").arg(&queue).exec_async(&mut connection)).await??;
            Vec::new()
        }
        waited => waited?,
    };
    hand_out(shared, &queue, waited).await;
    // A server that was away may have come back empty.
    memberships.on_reconnect();
    let restored = async {
        if *lost {
            memberships.settled().await;
            tracing::info!(redis = ?host, "the process's queue and its memberships in Redis work again");
            shared.table.restored();
            *lost = false;
        }
        std::future::pending().await
    };
    let popping = async {
        loop {
            // Both in one round trip: Redis goes on with the second when the first has something, or has waited long enough.
            let mut pop = Pipeline::with_capacity(3);
            pop.add_command(pop_one(&queue, BLOCK));
            pop.cmd("ZPOPMIN").arg(&queue).arg(BATCH);
            let mut answer = pin!(answers(pop, &mut connection));
            let popped = match timeout(BLOCK + LATE, &mut answer).await {
                Ok(popped) => popped?,
                Err(_) => tokio::select! {
                    biased;
                    popped = timeout(DEADLINE - LATE, &mut answer) => popped??,
                    // Dropped when the answer comes: what it opened meanwhile is closed again.
                    _ = host.overtaken(Duration::ZERO) => return Err(ConnectionError::Overtaken),
                },
            };
            let [first, more] = asked(popped)?;
            // If Redis refuses the first, what the second took is here all the same.
            let mut refused = None;
            let first = first.and_then(of::<Option<PoppedFrom>>).unwrap_or_else(|error| {
                refused = Some(error);
                None
            });
            let more = more.and_then(of::<Vec<Popped>>).unwrap_or_else(|error| {
                refused = Some(error);
                Vec::new()
            });
            let first = first.map(|(_, message, score)| (message, score));
            hand_out(shared, &queue, first.into_iter().chain(more)).await;
            if let Some(error) = refused {
                return Err(error.into());
            }
            backoff.reset();
        }
    };
    tokio::select! {
        // Ends with an error only, and then the connection is over.
        lost = popping => lost,
        // Never ends. Dropped before it is done, the gap goes on.
        never = restored => never,
    }
}

/// As many answers as there were commands.
fn asked<const N: usize>(answers: Vec<RedisResult<Value>>) -> Result<[RedisResult<Value>; N], ConnectionError> {
    answers.try_into().map_err(|_| ConnectionError::OutOfStep)
}

fn of<T: FromRedisValue>(answer: Value) -> RedisResult<T> {
    Ok(redis::from_redis_value(answer)?)
}

/// Hands messages to the mailboxes here, and lets others have their turn meanwhile.
async fn hand_out(shared: &Shared, queue: &str, popped: impl IntoIterator<Item = Popped, IntoIter: Send>) {
    for (at, (message, score)) in popped.into_iter().enumerate() {
        arrived(shared, queue, message, score);
        if at % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
}

/// Takes the oldest entry of a queue; waits until there is one.
pub(super) fn pop_one(queue: &str, block: Duration) -> deadpool_redis::redis::Cmd {
    let mut pop = cmd("BZPOPMIN");
    pop.arg(queue).arg(block.as_secs());
    pop
}

fn arrived(shared: &Shared, queue: &str, message: Vec<u8>, score: f64) {
    let counters = shared.table.counters();
    if score <= clock::cutoff(clock::now(), shared.config.expiry) {
        return counters.count_expired();
    }
    let garbage = |error: &DecodeError| counters.count_garbage(queue, error);
    let body = match shared.codec.open(Bytes::from(message)) {
        Ok(body) => body,
        Err(error) => return garbage(&error),
    };
    match Envelope::from_shared_queue(&body, shared.codec.format()) {
        Ok((_, to)) if to.is_empty() => garbage(&DecodeError::NoChannel),
        Ok((envelope, to)) => shared.table.send_many(&to, &envelope),
        Err(error) => garbage(&error),
    }
}
