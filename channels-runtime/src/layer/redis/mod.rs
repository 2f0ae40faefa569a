//! The Redis layers, wire-compatible with channels_redis: Python and Rust processes share groups.
//!
//! - [`core`]: `channels_redis.core.RedisChannelLayer`, messages in sorted sets.
//! - [`pubsub`]: `channels_redis.pubsub.RedisPubSubChannelLayer`, messages through PUBLISH.
//!
//! Only this folder knows deadpool and redis.

mod address;
mod answers;
mod clock;
mod codec;
mod commands;
mod core;
mod host;
mod jobs;
mod keys;
mod memberships;
mod processes;
mod pubsub;
mod queue;
mod shard;
mod subscriber;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::RedisError;
use tokio::time::timeout;

use crate::error::LayerError;
use host::Host;

pub use address::RedisHost;
#[cfg(any(test, fuzzing))]
pub(crate) use codec::Codec;
pub(crate) use pubsub::check_prefix;

/// How long one answer of Redis is waited for before the send counts as failed.
const DEADLINE: Duration = Duration::from_secs(5);

/// What Redis says of a key that is of another kind than the command is for.
const WRONG_TYPE: &str = "WRONGTYPE";

/// How many messages are handed out before other tasks (the writer of the sockets, above all) get their turn.
const TURN: usize = 8;

fn unavailable(action: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> LayerError {
    LayerError::Unavailable { action, source: source.into() }
}

/// Reads the addresses and connects to each: a wrong address or password shows now, and not with the first message.
async fn connect(hosts: impl IntoIterator<Item = RedisHost>) -> Result<Vec<Arc<Host>>, LayerError> {
    let hosts: Vec<_> = hosts.into_iter().map(|host| Host::new(&host).map(Arc::new)).collect::<Result<_, _>>()?;
    if hosts.is_empty() {
        return Err(unavailable("reading the addresses of Redis", "the list is empty"));
    }
    for host in &hosts {
        // Asked something, because a server that wants a password lets everyone connect.
        let answered = timeout(DEADLINE, host.answered()).await.unwrap_or_else(|late| Err(late.into()));
        answered.map_err(|error| unavailable("connecting to Redis", format!("{host}: {error}")))?;
    }
    Ok(hosts)
}

/// Where messages come from, for the log. Redis does not say which of its clients sent one.
fn peers(hosts: &[Arc<Host>]) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| host.to_string()).collect();
    format!("Redis at {}", hosts.join(", "))
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("Redis does not answer")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no connection to Redis: {0}")]
    Pool(#[from] deadpool_redis::PoolError),
    #[error("Redis does not answer on this connection, and does on a new one")]
    Overtaken,
    #[error("Redis answers something that was not asked; the connection is out of step")]
    OutOfStep,
    #[error("the connection was closed")]
    Closed,
    #[error("Redis refuses: {0}")]
    Refused(std::sync::Arc<RedisError>),
}

impl Lost {
    /// The connection is well: the key is of another kind than the command is for.
    fn is_of_wrong_type(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some(WRONG_TYPE))
    }
}

/// The pause between two tries to connect, longer each time.
#[derive(Debug)]
struct Backoff {
    pause: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    /// Short, because whoever waits here hears nothing: three tries a second are no load, not even those of a hundred processes.
    const LONGEST: Duration = Duration::from_millis(400);

    fn new() -> Self {
        Self { pause: Self::FIRST }
    }

    /// The connection works.
    fn reset(&mut self) {
        self.pause = Self::FIRST;
    }

    /// It has not failed since it worked.
    fn is_fresh(&self) -> bool {
        self.pause == Self::FIRST
    }

    /// A try that had no answer in all its time has waited long enough. The next pause is longer, however long this one lasts.
    fn wait_after(&mut self, error: &Lost) -> tokio::time::Sleep {
        let pause = if matches!(error, Lost::Late(_)) { Duration::ZERO } else { jittered(self.pause) };
        self.pause = (self.pause * 2).min(Self::LONGEST);
        tokio::time::sleep(pause)
    }
}

/// Half the pause to one and a half: processes that lost the same Redis do not all come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    // Paused time: what is measured is what was slept.
    #[tokio::test(start_paused = true)]
    async fn the_next_try_waits_unless_the_last_one_did() {
        let late = timeout(DEADLINE, std::future::pending::<()>()).await.unwrap_err().into();
        let mut backoff = Backoff::new();
        assert!(backoff.is_fresh());
        for _ in 0..20 {
            let begun = Instant::now();
            backoff.wait_after(&Lost::Closed).await;
            assert!(begun.elapsed() >= Backoff::FIRST / 2 && begun.elapsed() <= Backoff::LONGEST.mul_f64(1.5));
        }
        let begun = Instant::now();
        backoff.wait_after(&late).await;
        assert_eq!((begun.elapsed(), backoff.is_fresh()), (Duration::ZERO, false));
        backoff.reset();
        assert!(backoff.is_fresh());
    }
}
